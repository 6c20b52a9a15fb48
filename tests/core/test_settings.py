"""A checked config is a value, and travels as one to the other processes."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, fields

import pytest

from skypy.core.settings import NodeSettings, Settings, SocketSettings
from skypy.core.wire.codec import pack, unpack

FULL = Settings(
    config_file="config/echo.toml",
    start="echo one two",
    workers=3,
    service_path=("/services", "/more"),
    logger="/var/log/node.log",
    stop_timeout=2.5,
    env={"host": "127.0.0.1", "port": "8888"},
    socket=SocketSettings(1.0, 2.0, 3.0, 4, 5, 6, 7, 8.0, "avoid"),
    node=NodeSettings(9, 8, 7.0),
)


@pytest.mark.parametrize("settings", [FULL, Settings(config_file="config/echo.toml", start="echo")])
def test_settings_are_the_same_in_the_process_that_gets_them(settings: Settings) -> None:
    received = Settings.from_plain(unpack(pack(settings.to_plain())))
    assert received == settings
    assert type(received.service_path) is tuple
    assert type(received.socket) is SocketSettings
    assert type(received.node) is NodeSettings


def test_the_test_above_changes_every_setting() -> None:
    default = Settings(config_file="", start="")
    assert all(getattr(FULL, field.name) != getattr(default, field.name) for field in fields(Settings))
    for changed, usual in ((FULL.socket, default.socket), (FULL.node, default.node)):
        assert all(getattr(changed, field.name) != getattr(usual, field.name) for field in fields(usual))


def test_the_plain_values_are_a_copy() -> None:
    plain = FULL.to_plain()
    plain["env"]["host"] = "elsewhere"
    plain["socket"]["linger"] = 9.0
    assert (FULL.env["host"], FULL.socket.linger) == ("127.0.0.1", 1.0)


def test_settings_do_not_change() -> None:
    with pytest.raises(FrozenInstanceError):
        FULL.workers = 4  # type: ignore[misc]
    with pytest.raises(FrozenInstanceError):
        FULL.socket.linger = 4.0  # type: ignore[misc]
