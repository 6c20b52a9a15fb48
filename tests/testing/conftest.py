"""pytest runs small test files, to see what the plugin makes of them."""

import skypy.testing.asynchronous
import skypy.testing.marker
import skypy.testing.node
import skypy.testing.system

LOADED = (skypy.testing.asynchronous, skypy.testing.marker, skypy.testing.node, skypy.testing.system)
"""Once and for all: pytester forgets what is loaded while it plays a test, and skypy would be there twice."""
