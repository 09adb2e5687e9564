"""A witness that cosigns the checkpoints of other people's logs (C2SP tlog-witness)."""
