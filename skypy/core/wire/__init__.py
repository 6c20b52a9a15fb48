"""The words of the three lanes, one file for each, and how values and batches become bytes."""
