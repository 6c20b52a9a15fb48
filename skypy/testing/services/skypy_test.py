"""The actor that a test is."""
