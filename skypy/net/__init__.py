"""The socket service: the process that owns every TCP socket of a node, on an event loop of its own."""
