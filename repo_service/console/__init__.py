"""The console: pages for people about what is signed, waits and is due, and the few acts that take two of them."""
