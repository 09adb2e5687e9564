"""From remembered events to a release that everyone can read."""
