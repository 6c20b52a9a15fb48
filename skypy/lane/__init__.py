"""Lanes between processes: ordered batches of messages with descriptors beside them."""
