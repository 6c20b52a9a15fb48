"""Messages between workers: the only importer of zmq."""
