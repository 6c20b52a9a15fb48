"""The sockets of a worker's actors."""
