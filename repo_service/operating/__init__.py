"""How a process is set up, watched and stopped."""
