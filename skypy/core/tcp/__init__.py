"""A TCP connection, pure: the table of its states, the end of the socket service and the end of the owner's worker."""
