from collections.abc import Callable
from pathlib import Path

import pytest

Write = Callable[..., str]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a config file under tmp_path, beside an empty folder `services`, and gives its path."""
    (tmp_path / "services").mkdir()

    def write_file(text: str, name: str = "node.toml") -> str:
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return str(file)

    return write_file
