"""The processes of a node: the only place that wires core, net, worker and config together."""
