"""Fixtures of tests that play small test files with pytester, to see the plugin at work."""

import skypy.testing.asynchronous
import skypy.testing.marker
import skypy.testing.memory.system
import skypy.testing.processes.node

LOADED = (skypy.testing.asynchronous, skypy.testing.marker, skypy.testing.processes.node, skypy.testing.memory.system)
"""Modules loaded before the first test: pytester unloads every module that a played test has loaded, and skypy would
be there twice."""
