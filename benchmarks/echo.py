"""Line echo: skypy and its rivals, in turns.

python -m benchmarks.echo
python -m benchmarks.echo --servers skypy,asyncio --cases 50x16 --rounds 9 --json result.json
"""

import sys

from benchmarks import command_line
from benchmarks.harness import FOLDER, HOST, ROOT, Case, Server, build

SERVERS_FOLDER = FOLDER / "servers"
LINE_BYTES = 32


def skypy_command(port: int) -> list[str]:
    settings = ["--set", f"env.host={HOST}", "--set", f"env.port={port}"]
    return [sys.executable, "-m", "skypy", "run", str(ROOT / "config" / "echo.toml"), *settings]


def asyncio_command(port: int) -> list[str]:
    return [sys.executable, str(SERVERS_FOLDER / "asyncio_streams.py"), HOST, str(port)]


def c_command(port: int) -> list[str]:
    return [str(build(SERVERS_FOLDER / "c_echo.c")), HOST, str(port)]


def echo_case(connections: int, in_flight: int) -> Case:
    lines = "1 line" if in_flight == 1 else f"{in_flight} lines"
    return Case(
        f"{connections}x{in_flight}",
        f"{connections} connections, {lines} of {LINE_BYTES} bytes in flight on each",
        (str(connections), str(in_flight), str(LINE_BYTES)),
    )


SERVERS = (Server("skypy", skypy_command), Server("asyncio", asyncio_command), Server("c", c_command))
CASES = (echo_case(50, 1), echo_case(50, 16))

if __name__ == "__main__":
    sys.exit(command_line.main("echo", SERVERS, CASES))
