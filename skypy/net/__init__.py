"""The socket service: it owns every TCP socket of a node, and a worker reads or writes one only by its leave."""
