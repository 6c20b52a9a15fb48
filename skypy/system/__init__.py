"""The calls to the operating system, which `skypy.testing.memory.kernel` replaces in memory.

    kernel            descriptors by number, lanes, the clocks, limits, and the sockets made from received descriptors
    socket_kernel     the further calls of the socket service: TCP sockets, and resets
    poller            epoll, for the socket service's own loop and for asyncio's
    processes         the start and the end of other processes
    this_process      the running process: its title, its signals and its end
    terminal          the terminal in which this process was started, and its end
    standard_error    descriptor 2
    log               the way of log lines out of a process
    forks             processes that the code of a service forks
    force_reset       a TCP reset
    refuse_fin        no TIME_WAIT

No other module of core, lane, bus, net, worker or node makes or closes a descriptor, sends a signal, starts a process,
sets a limit or reads a clock by itself. These layers name constants of `socket` and `signal`, call the methods of
sockets that come from here, and leave timers, readiness and signal handlers to asyncio where there is a loop. Ordinary
files are read where they are needed: configs by `skypy.config`, services by `skypy.worker.services.loader`. The
commands in `skypy.cli` use the terminal, and sockets and programs of their own, like any other client; `skypy.testing`
watches processes from outside. `tests/test_architecture.py` holds this.
"""
