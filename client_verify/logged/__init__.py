"""Whether what a session uses is in the transparency log of its repository, and whether that log only grew."""
