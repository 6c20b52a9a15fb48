"""Values ↔ bytes. The only importer of msgpack; pickle is used nowhere, so bytes from outside can never run code."""

from __future__ import annotations

from typing import Any

import msgpack

from skypy.core.errors import SkypyError

_pack = msgpack.Packer(use_bin_type=True, autoreset=True).pack
_unpack = msgpack.unpackb


class MalformedFrame(SkypyError):
    """Bytes between processes are not what their protocol allows; whoever sent them cannot be trusted further."""


def pack(value: Any) -> bytes:
    """Plain values (None, bool, int, float, str, bytes, lists, tuples, dicts) to bytes."""
    packed: bytes = _pack(value)
    return packed


def unpack(data: bytes | memoryview) -> Any:
    """The opposite of `pack`; tuples come back as lists. Raises MalformedFrame: every frame is untrusted until then."""
    try:
        return _unpack(data, raw=False, strict_map_key=False)
    except (ValueError, TypeError, RecursionError, OverflowError) as error:
        raise MalformedFrame(f"{len(data)} bytes are no message: {error!r}") from error
