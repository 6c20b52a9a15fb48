"""The folder `results`: one JSON file with everything, a Markdown table and a plot for each case.

A run replaces the cases it has measured and leaves the others, each with the machine, versions and commit of its
measurement.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from typing import Any

from benchmarks import plots, tables
from benchmarks.model import Case, Sample
from benchmarks.processes import FOLDER, ROOT
from benchmarks.runner import Outcome
from benchmarks.summary import summarize

RESULTS = FOLDER / "results"
JSON = RESULTS / "results.json"
MARKDOWN = RESULTS / "results.md"
PERFORMANCE = ROOT / "docs" / "performance.md"
BEGIN, END = "<!-- figures -->\n", "<!-- end of figures -->\n"


def load() -> dict[str, Any]:
    if not JSON.exists():
        return {}
    loaded: dict[str, Any] = json.loads(JSON.read_text())
    return loaded


def save(cases: Sequence[Case], outcome: Outcome, about: dict[str, Any], every_case: Sequence[Case]) -> None:
    """Put the outcome of some cases into the folder, and draw all of it anew."""
    stored = load()
    for case in cases:
        samples = [dataclasses.asdict(sample) for sample in outcome.samples if sample.case == case.name]
        if samples:
            missing = {c.name: outcome.missing[c.name] for c in case.contenders if c.name in outcome.missing}
            failed = {name: why.splitlines()[0] for (of, name), why in outcome.failed.items() if of == case.name}
            stored[case.name] = about | {"unit": case.unit, "missing": missing, "failed": failed, "samples": samples}
    RESULTS.mkdir(exist_ok=True)
    JSON.write_text(json.dumps(stored, indent=1) + "\n")
    draw(stored, every_case)


def draw(stored: dict[str, Any], cases: Sequence[Case]) -> None:
    parts = ["# Results\n"]
    told = []
    for case in cases:
        if case.name not in stored:
            continue
        entry = stored[case.name]
        rows = summarize(case, [Sample(**sample) for sample in entry["samples"]])
        told.append((case, rows))
        picture = RESULTS / f"{case.name}.svg"
        picture.write_text(plots.bars(case, rows))
        parts += [tables.markdown(case, rows), f"![{case.name}]({picture.name})\n"]
        if entry["missing"] or entry["failed"]:
            parts.append(tables.absent(entry["missing"] | dict.fromkeys(entry["failed"], "it failed")))
        parts.append(origin(entry))
    MARKDOWN.write_text("\n".join(parts))
    before, _, rest = PERFORMANCE.read_text().partition(BEGIN)
    PERFORMANCE.write_text(f"{before}{BEGIN}\n{tables.overview(told)}\n{END}{rest.partition(END)[2]}")


def origin(entry: dict[str, Any]) -> str:
    machine, versions = entry["machine"], entry["versions"]
    commit = (entry["git"]["commit"] or "unknown")[:10] + (" with changes" if entry["git"]["modified"] else "")
    python = versions["python"]
    if "python_build" in versions:  # older results do not tell
        python += f" ({versions['python_build']})"
    load_average = machine["load_average_before"]
    return (
        f"Measured {entry['started'][:16]} at commit {commit}, {python}, {machine['cores']} cores of "
        f"{machine['cpu']}, load average before: {load_average:.1f}.\n"
    )
