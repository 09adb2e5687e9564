"""What this machine has verified and will not have taken back, and what it keeps when somebody tries."""
