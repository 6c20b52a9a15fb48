"""Notes of code that runs, taken without any verb of skypy, which the code of an ended actor cannot use."""

import asyncio
import weakref
from collections import defaultdict
from typing import Any

of: defaultdict[int, list[str]] = defaultdict(list)
"""The notes of this process's actors, by the address."""
kept: dict[int, "weakref.ref[Any]"] = {}
"""An object of the module of each actor."""
gates: defaultdict[int, asyncio.Event] = defaultdict(asyncio.Event)
"""Open for the tasks of an actor that are to go on after its end."""
