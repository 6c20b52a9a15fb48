"""Services: from a name to a running instance."""
