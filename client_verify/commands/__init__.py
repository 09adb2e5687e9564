"""What the ``tallystick`` command does, one module for each family of its commands."""
