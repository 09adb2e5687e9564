"""What a registry means: which change is allowed, and what follows from it. Pure functions over frozen values."""
