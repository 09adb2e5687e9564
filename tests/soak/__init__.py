"""The soak: writers, publishers and verifying clients at once, while a nemesis kills, stops and cuts."""
