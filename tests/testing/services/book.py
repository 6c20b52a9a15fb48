"""A book with a race: it must be opened by one actor before another writes, which goes well in the order of arrival."""

import skypy

pages: list[str] = []
is_open: list[bool] = []


@skypy.command
def relay(book: int, command: str) -> None:
    """Send a command to another book, as one of its users."""
    skypy.send(book, command)


@skypy.command("open")
def begin() -> None:
    is_open.append(True)


@skypy.command
def write() -> None:
    pages.append("written" if is_open else "lost")


@skypy.command
def read() -> list[str]:
    return pages
