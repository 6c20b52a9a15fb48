"""Actor addresses: `process number << 24 | index`, printed `:%08x`, as skynet prints its handles.

Process numbers rise and are never given out twice, indexes rise within a process: no address is ever reused.
"""

from __future__ import annotations

from typing import Final

Address = int

INDEX_BITS: Final = 24
ADDRESS_BITS: Final = 64
LAST_INDEX: Final = (1 << INDEX_BITS) - 1
_ROOT_INDEX: Final = 0


def make_address(process_number: int, index: int) -> Address:
    """Return the address of the actor with `index` (from 1) in a process (from 1). Raises ValueError."""
    if process_number < 1 or not 1 <= index <= LAST_INDEX:
        raise ValueError(f"no address has process number {process_number} and index {index}")
    return process_number << INDEX_BITS | index


def root_address(process_number: int) -> Address:
    """Return the address of a worker's root actor, which starts services for other workers."""
    return process_number << INDEX_BITS | _ROOT_INDEX


def check_address(address: Address) -> Address:
    """Return `address`. Raises ValueError for a number that no address can be."""
    if not 0 <= address < 1 << ADDRESS_BITS:
        raise ValueError(f"{address} is not an address")
    return address


def process_number_of(address: Address) -> int:
    """Return the number of the process in which the actor lives or lived."""
    return address >> INDEX_BITS


def format_address(address: Address) -> str:
    """Return the text of an address, like `:0100000a`."""
    return f":{address:08x}"


def format_endpoint(host: str, port: int) -> str:
    """Return the text of a socket's address, like `127.0.0.1:8888` or `[::1]:8888`; "" for one that is not known."""
    if not host:
        return ""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def parse_address(text: str) -> Address:
    """Return the address that a text like `:0100000a` means. Raises ValueError, which names the expected form."""
    digits = text.removeprefix(":")
    if not text.startswith(":") or not 8 <= len(digits) <= 16 or not set(digits) <= set("0123456789abcdefABCDEF"):
        raise ValueError(f'"{text}" is not an address: it is a colon and at least 8 hexadecimal digits, ":0100000a"')
    return int(digits, 16)
