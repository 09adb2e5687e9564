"""devpi-server's plugin: what happens in an index waits in an outbox of its own until the service has signed it."""
