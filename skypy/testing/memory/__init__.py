"""A whole node in memory: virtual processes, descriptors, TCP and a clock on one event loop."""
