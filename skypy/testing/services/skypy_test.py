"""The actor of a test in memory: the test runs in its context."""
