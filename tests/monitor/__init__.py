"""The monitor: what it finds of lies that are told on purpose, and whom it tells."""
