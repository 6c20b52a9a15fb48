"""A node of real processes, with a test in it."""
