"""The ceremony: holders, coordinators and witnesses at their tables, without a network."""
