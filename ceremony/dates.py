"""Dates as people read them before they sign."""

from datetime import datetime


def long_date(moment: datetime) -> str:
    """A date for machines, then for people: neither can be mistaken for another day."""
    return f"{moment:%Y-%m-%d}, {moment.day} {moment:%B %Y}"
