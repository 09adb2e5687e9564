"""Witnesses, both sides: the server that cosigns, and the service that asks."""
