"""The verbs that services call."""
