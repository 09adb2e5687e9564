"""Programs by other hands read what we publish, and we read what they write."""
