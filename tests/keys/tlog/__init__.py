"""The proofs of the log, beside a slow reference and by breaking each check."""
