"""A service that imports relatively, which services cannot."""

from . import body  # noqa: F401
