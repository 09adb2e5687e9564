"""What python-tuf has just verified, read fast, looked at again, and put into words where it was refused."""
