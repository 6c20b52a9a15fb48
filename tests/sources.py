"""The source files of skypy, for the tests that hold rules about them."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "skypy"
SERVICES = [*(ROOT / "services").rglob("*.py"), *(PACKAGE / "testing" / "services").rglob("*.py")]
MODULES = sorted(set(PACKAGE.rglob("*.py")) - set(SERVICES))


def name_of(path: Path) -> str:
    """Return the full name of a module."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
