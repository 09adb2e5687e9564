"""Registries that others keep, and how each of them comes to call us."""
