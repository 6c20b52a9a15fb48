"""Processes that the code of a service forks: they keep nothing of skypy's, and do not outlive the worker.

    child        a fork, from the hooks around it to the end of the child
    descriptors  the sockets that a child gives up
    lifeline     the tie to the life of the worker
    pools        processes of multiprocessing

Python's own hooks are called around each fork, whatever forks: os.fork, os.forkpty, multiprocessing, a `preexec_fn`. A
program that is started by exec is not tied to the worker.
"""
