"""Journal, depot and a client are compared and brought together; what nobody needs goes."""
