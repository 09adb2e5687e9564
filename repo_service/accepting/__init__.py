"""From a request to remembered events: decided, written and answered in one transaction."""
