"""Every call to the operating system: descriptors, sockets, processes, signals, limits and the clock."""
