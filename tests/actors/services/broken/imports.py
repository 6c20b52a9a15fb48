"""A service that needs what is not there."""

import no_such_module  # type: ignore[import-not-found]  # noqa: F401
