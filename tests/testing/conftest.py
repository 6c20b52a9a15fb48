"""pytest runs small test files, to see what the plugin makes of them."""

import skypy.testing.asynchronous
import skypy.testing.marker
import skypy.testing.memory.system
import skypy.testing.processes.node

LOADED = (skypy.testing.asynchronous, skypy.testing.marker, skypy.testing.processes.node, skypy.testing.memory.system)
"""Once and for all: pytester forgets what is loaded while it plays a test, and skypy would be there twice."""
