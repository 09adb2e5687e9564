"""What other registries hold is brought into the journal: streamed, in short transactions, from where it stopped."""
