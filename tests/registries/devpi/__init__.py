"""devpi: a real server with our plugin, real uploads, real installers."""
