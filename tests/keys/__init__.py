"""The ground: keys, rules, pages, proofs, each by itself."""
