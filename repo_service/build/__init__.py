"""From states to signed files. Pure: ``sign`` and ``now`` are arguments."""
