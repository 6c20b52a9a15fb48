"""The processes of a node: the only place that wires core, system, lane, bus, net and worker together.

node             the node's own process, with its signals, its log and its children
launcher         the worker that gets each service; directory: names, unique services and `[env]`
questions        the verbs of ASK, each with the method that answers it
process          the beginning of every child
socket_process   main of the socket service
worker_process   main of a worker
"""
