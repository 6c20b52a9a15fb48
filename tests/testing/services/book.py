"""Has a race: it must be opened by one actor before another writes, which on one worker always used to go well."""

import skypy

pages: list[str] = []
is_open: list[bool] = []


@skypy.command
def relay(book: int, command: str) -> None:
    """Be one of those who use another book."""
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
