"""Decisions about time, pure: the caller hands in the clock."""
