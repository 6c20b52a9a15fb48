"""The socket service: the only importer of epoll, and the only place that reads from TCP sockets."""
