"""The commands of ``tallystick-service``: a module for each family, and only that of the command typed is loaded."""
