"""Changes in, signed snapshots out."""
