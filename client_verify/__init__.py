"""Trusting only a root: verify what a registry says, explain it, and serve verified answers to pip and uv."""
