"""Tests: what several houses need lies here; each folder below is a house's, or a way of looking at all of them."""
