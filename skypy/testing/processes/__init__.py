"""A node of real processes, driven by a test."""
