"""The command line: `skypy run`, `check`, `client` and `bench`."""
