"""A service whose body ends the process, as it thinks."""

import sys

sys.exit(3)
