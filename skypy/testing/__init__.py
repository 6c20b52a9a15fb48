"""Test a service in five lines: see docs/testing.md. pytest finds the fixtures by itself."""
