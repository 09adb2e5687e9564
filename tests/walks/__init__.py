"""From one end to the other: ceremonies, services and clients together, and the documents that show them."""
