"""The words for the user when the start service has failed."""

from __future__ import annotations

from collections.abc import Mapping

from skypy.core.errors import ListenError
from skypy.worker.actors.tracebacks import text_of


def address_in_use_hint(error: BaseException, env: Mapping[str, str]) -> tuple[str, str] | None:
    """Return the config key at fault and a text with a remedy when an address cannot be listened on, else None."""
    if not isinstance(error, ListenError):
        return None
    keys = [key for key, value in env.items() if value == str(error.port)]
    if not keys:
        return "start", text_of(error)
    free = error.port + 1 if 0 < error.port < 65535 else 8888
    return f"env.{keys[0]}", f"{text_of(error)}; choose another, for example --set env.{keys[0]}={free}"
