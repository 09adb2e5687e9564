"""The guard of the online key: what it refuses to sign, for whom, and after which crash."""
