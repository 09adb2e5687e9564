"""The transparency log's proofs: Merkle trees (RFC 6962), tiles, notes, checkpoints, witnesses and leaves (C2SP)."""
