"""Writes the state diagram of the documentation anew: `python -m tests.diagram` (make diagram)."""

from __future__ import annotations

import re
from pathlib import Path

from skypy.core.tcp.state import to_mermaid

_ROOT = Path(__file__).parents[1]
DOCUMENTS = (_ROOT / "ARCHITECTURE.md", _ROOT / "docs" / "sockets.md")
BLOCK = re.compile(r"(?<=```mermaid\n)stateDiagram-v2\n.*?(?=```)", re.DOTALL)


def main() -> None:
    for document in DOCUMENTS:
        document.write_text(BLOCK.sub(lambda _: to_mermaid(), document.read_text()))


if __name__ == "__main__":
    main()
