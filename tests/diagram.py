"""Writes the state diagram of ARCHITECTURE.md anew: `python -m tests.diagram` (make diagram)."""

from __future__ import annotations

import re
from pathlib import Path

from skypy.core.socket_state import to_mermaid

ARCHITECTURE = Path(__file__).parents[1] / "ARCHITECTURE.md"
BLOCK = re.compile(r"(?<=```mermaid\n)stateDiagram-v2\n.*?(?=```)", re.DOTALL)


def main() -> None:
    text = ARCHITECTURE.read_text()
    ARCHITECTURE.write_text(BLOCK.sub(lambda _: to_mermaid(), text))


if __name__ == "__main__":
    main()
