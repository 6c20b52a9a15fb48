"""A case as bars in SVG: the median, and a line from the lowest to the highest round. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from benchmarks.model import SUBJECT, Case
from benchmarks.summary import Row
from benchmarks.tables import number

WIDTH, NAMES, VALUES, BAR, GAP, TOP = 760, 130, 90, 18, 8, 44
STYLE = (
    "text{font:13px sans-serif;fill:#222}.title{font-weight:bold}.subject{fill:#2563eb}.rival{fill:#9ca3af}"
    ".spread{stroke:#111;stroke-width:1.5}"
)


def bars(case: Case, rows: Sequence[Row]) -> str:
    """Return one picture. All bars begin at 0, so lengths can be compared."""
    most = max(row.value.most for row in rows) or 1.0
    scale = (WIDTH - NAMES - VALUES) / most
    height = TOP + len(rows) * (BAR + GAP) + GAP
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}">',
        f"<style>{STYLE}</style>",
        f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>',
        f'<text x="8" y="16" class="title">{escape(case.name)}: {case.unit}, {case.better} is better</text>',
        f'<text x="8" y="34">{escape(case.title)}</text>',
        *(bar(row, TOP + index * (BAR + GAP), scale) for index, row in enumerate(rows)),
        "</svg>\n",
    ]
    return "\n".join(parts)


def bar(row: Row, y: int, scale: float) -> str:
    kind = "subject" if row.contender == SUBJECT else "rival"
    end, least, most = (NAMES + scale * value for value in (row.value.median, row.value.least, row.value.most))
    middle = y + BAR / 2
    return (
        f'<text x="{NAMES - 8}" y="{y + 14}" text-anchor="end">{escape(row.contender)}</text>'
        f'<rect x="{NAMES}" y="{y}" width="{end - NAMES:.1f}" height="{BAR}" class="{kind}"/>'
        f'<line x1="{least:.1f}" x2="{most:.1f}" y1="{middle}" y2="{middle}" class="spread"/>'
        f'<text x="{most + 6:.1f}" y="{y + 14}">{number(row.value.median)}</text>'
    )
