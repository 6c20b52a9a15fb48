"""Messages between actors: calls, replies, and the way to another worker."""
