from __future__ import annotations

import sysconfig

import pytest

from benchmarks.environment import python_build


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ("'--enable-shared'", "no PGO or LTO named"),
        ("'--enable-optimizations' '--with-lto'", "PGO and LTO named"),
        ("'--enable-optimizations'", "PGO named"),
    ],
)
def test_the_build_of_the_interpreter_is_told(monkeypatch: pytest.MonkeyPatch, arguments: str, named: str) -> None:
    told = {"CONFIG_ARGS": arguments, "PY_CFLAGS": "-DNDEBUG -O2 -Wall -O3"}
    monkeypatch.setattr(sysconfig, "get_config_var", told.get)
    assert python_build().endswith(f" -O3, {named}")
