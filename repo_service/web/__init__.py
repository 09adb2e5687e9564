"""The HTTP door: requests in, problem details out, and the embedded registry's public files."""
