"""Decisions of the registry, with no clock, disk or network."""
