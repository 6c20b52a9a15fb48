"""All cases, in the order of the table."""

from benchmarks.cases import actors, echo, idle, services, streams
from benchmarks.model import Case

ALL: tuple[Case, ...] = (*echo.CASES, *streams.CASES, *actors.CASES, *services.CASES, *idle.CASES)
