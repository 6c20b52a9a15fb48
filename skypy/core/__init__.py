"""Pure: no I/O, no clock, no loop. Everything above is built on it; it imports nothing of the other layers."""
