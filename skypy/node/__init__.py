"""The processes of a node: the only place that wires core, system, lane, bus, net and worker together.

    node             the node's own process: its children, their start, replacement and end
    child            one child as the node sees it
    succession       the processes that follow one another as a worker, and those that are not trusted any more
    signals          the signals that a node reacts to
    log              the log
    launcher         the worker that gets each service, and the load of the workers
    directory        names, unique services and the entries of `[env]`
    question         a question of a worker; questions: the method that answers each
    process          the beginning of every child
    socket_process   main of the socket service
    worker_process   main of a worker

Only workers run code of users.
"""
