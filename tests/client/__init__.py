"""The client: what it verifies, what it refuses, and what a person then reads."""
