"""What the service costs, measured beside python-tuf's objects doing the same work: `python -m benchmarks.run`."""
