"""The log of the node. Only a thread that does nothing else waits for its reader.

sink: the lines of all processes, and the places that they go to. writer: the thread that writes to one of these.
python_output: the text that Python itself writes to standard error. reactor_log: the socket service's way to the node.
"""
