"""The rows as text: for the terminal and in Markdown. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from benchmarks.model import Case
from benchmarks.summary import Row


def number(value: float) -> str:
    """Return a number with three digits, which a measurement is worth."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def compared(row: Row) -> str:
    if row.times_better is None:
        return ""
    spread = row.times_better
    return f"{spread.median:.2f} ({spread.least:.2f} .. {spread.most:.2f})"


def aim(row: Row) -> str:
    if row.aim is None or row.aim_is_met is None:
        return ""
    return f"{row.aim:g}: {'met' if row.aim_is_met else 'missed'}"


def cells(row: Row) -> list[str]:
    value = row.value
    return [
        row.contender,
        number(value.median),
        f"{number(value.least)} .. {number(value.most)}",
        compared(row),
        aim(row),
        str(row.rounds),
    ]


def heading(case: Case) -> list[str]:
    return ["", case.unit, "least .. most", "skypy is better by", "aim", "rounds"]


def terminal(case: Case, rows: Sequence[Row]) -> str:
    lines = [heading(case), *map(cells, rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    text = [
        line[0].ljust(widths[0])
        + "".join(f"  {cell:>{width}}" for cell, width in zip(line[1:], widths[1:], strict=True))
        for line in lines
    ]
    return "\n".join([f"{case.name}: {case.title}", *(line.rstrip() for line in text), ""])


def markdown(case: Case, rows: Sequence[Row]) -> str:
    lines = [heading(case), ["---", *["---:"] * 5], *map(cells, rows)]
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return f"### {case.name}\n\n{case.title[0].upper()}{case.title[1:]}.\n\n{table}\n"


def overview(cases: Sequence[tuple[Case, Sequence[Row]]]) -> str:
    """Return a line for each case.

    It has skypy's figure, its advantage over the rivals that it is meant to be ahead of, and over the others.
    """
    lines = ["| case | skypy | beside the rivals aimed at | the others |", "| --- | ---: | --- | --- |"]
    for case, rows in cases:
        aimed = [f"{brief(row)} (aim {row.aim:g}, {'met' if row.aim_is_met else 'missed'})" for row in rows if row.aim]
        others = [brief(row) for row in rows if row.times_better and not row.aim]
        own = next((f"{number(row.value.median)} {case.unit}" for row in rows if row.times_better is None), "")
        lines.append(f"| {case.name} | {own} | {'; '.join(aimed)} | {'; '.join(others)} |")
    return "\n".join(lines) + "\n"


def brief(row: Row) -> str:
    return f"{row.times_better.median:.2f} x {row.contender}" if row.times_better else row.contender


def absent(missing: Mapping[str, str]) -> str:
    """Return the contenders that took no part, with the reasons."""
    return "".join(f"{name} took no part: {why}\n" for name, why in sorted(missing.items()))
