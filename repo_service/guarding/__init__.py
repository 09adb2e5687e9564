"""The signing guard: a process that holds the online key and signs only what goes on from what it signed before."""
