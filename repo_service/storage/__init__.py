"""What is kept: the journal, which is the truth, and the depot, which is a copy for everyone to read."""
