"""What real installers do behind ``tallystick run``, and by themselves: attacks, statuses and caches as tables."""
