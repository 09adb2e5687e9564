"""Registries that call the service: a real one of each kind, with its plugin."""
