"""The service: decided, written down, signed, published, mended, and asked over HTTP."""
