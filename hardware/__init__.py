"""What is born on the device: packets, keys, the roster, the clock, topics and errors."""
