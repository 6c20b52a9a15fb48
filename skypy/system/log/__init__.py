"""The way of log lines out of a process.

file       the places that the log goes to
process    the process that writes the log to a disk
pipe       the way of a child's lines to the node
"""
