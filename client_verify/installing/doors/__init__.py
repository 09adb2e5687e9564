"""Side doors: what in an environment, a home and a project leads an installer past the verified index."""
