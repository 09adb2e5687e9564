"""The API's caller, for a registry's own process: one typed method for each call, sent again until it is answered."""
