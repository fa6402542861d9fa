"""Writes the results as Markdown tables for readers and JSON for programs."""

import json
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from tests.bench.measure import Sample, Spread

PACKAGES = ("jupyterhub-classroom", "jupyterhub-idle-culler", "jupyterhub", "aiohttp", "msgspec")


@dataclass
class Table:
    """One comparison. Ratios are relative to `peer`; targets are maximum ratios."""

    name: str
    title: str
    samples: dict[str, list[Sample]]
    peer: str
    benchmark: str = ""  # the name on the command line, if it differs
    wall_targets: dict[str, float] = field(default_factory=dict)
    hub_cpu_targets: dict[str, float] = field(default_factory=dict)
    peak_targets: dict[str, float] = field(default_factory=dict)  # megabytes
    notes: list[str] = field(default_factory=list)

    def spread(self, contender: str, quantity: str) -> Spread | None:
        """Return the spread of a quantity, or None if it was not measured."""
        values = [getattr(sample, quantity) for sample in self.samples[contender]]
        return None if None in values else Spread.of(values)

    def ratio(self, contender: str, quantity: str = "wall") -> float | None:
        """Return the ratio of a contender's median to the peer's, or None without both."""
        ours, theirs = self.spread(contender, quantity), self.spread(self.peer, quantity)
        return ours.median / theirs.median if ours and theirs and theirs.median else None

    def verdicts(self) -> list[str]:
        """Return one sentence for each target, met or missed."""
        lines = []
        for what, quantity, targets in (
            ("wall time", "wall", self.wall_targets),
            ("Hub CPU time", "hub_cpu", self.hub_cpu_targets),
        ):
            for name, target in targets.items():
                ratio = self.ratio(name, quantity)
                if ratio is not None:
                    lines.append(
                        f"{_verdict(ratio <= target)}: {name} needs {ratio:.3f} times the {what} of"
                        f" {self.peer}, target {target:.3f}."
                    )
        for name, target in self.peak_targets.items():
            peak = self.spread(name, "peak_mb")
            if peak is not None:
                lines.append(
                    f"{_verdict(peak.greatest <= target)}: {name} peaks at {peak.greatest:.1f} MB,"
                    f" target {target:.0f} MB."
                )
        return lines

    def markdown(self) -> str:
        """Return the section of the document."""
        with_hub = any(self.spread(name, "hub_cpu") for name in self.samples)
        head = ["", "wall s", "ratio", "CPU s", "peak MB"] + (["Hub CPU s", "ratio"] * with_hub)
        rows = [head, ["---"] + ["---:"] * (len(head) - 1)]
        for name in self.samples:
            row = [name, _cell(self.spread(name, "wall")), _ratio(self.ratio(name))]
            row += [_cell(self.spread(name, "cpu")), _cell(self.spread(name, "peak_mb"), 1)]
            if with_hub:
                row += [_cell(self.spread(name, "hub_cpu")), _ratio(self.ratio(name, "hub_cpu"))]
            rows.append(row)
        lines = [
            f"## {self.title}",
            "",
            f"`python -m tests.bench {self.benchmark or self.name}`",
            "",
        ]
        lines += ["| " + " | ".join(row) + " |" for row in rows]
        sentences = self.verdicts() + self.notes
        if sentences:
            lines += ["", *(f"- {sentence}" for sentence in sentences)]
        return "\n".join(lines) + "\n"

    def as_json(self) -> dict[str, object]:
        """Return the results in a form that json.dumps accepts."""
        samples = {name: [asdict(one) for one in many] for name, many in self.samples.items()}
        ratios = {name: self.ratio(name) for name in self.samples}
        return {
            "name": self.name,
            "title": self.title,
            "samples": samples,
            "wall_ratios": ratios,
            "verdicts": self.verdicts(),
            "notes": self.notes,
        }


def _verdict(met: bool) -> str:
    return "Met" if met else "MISSED"


def _cell(spread: Spread | None, digits: int = 3) -> str:
    if spread is None:
        return ""
    median, least, greatest = (
        f"{value:.{digits}f}" for value in (spread.median, spread.least, spread.greatest)
    )
    return f"{median} ({least}–{greatest})"  # noqa: RUF001 # a range takes an en dash


def _ratio(ratio: float | None) -> str:
    return "" if ratio is None else f"{ratio:.3f}"


def machine() -> dict[str, str]:
    """Return the date, system and package versions of a measurement."""
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        **{package: version(package) for package in PACKAGES},
    }


def write(tables: Sequence[Table], folder: Path) -> Path:
    """Write each table as `folder/NAME.md` and `.json`, and all of them as `folder/README.md`.

    Tables of earlier runs are kept, so that you can repeat single benchmarks.
    """
    folder.mkdir(parents=True, exist_ok=True)
    system = machine()
    for table in tables:
        foot = ", ".join(f"{key} {value}" for key, value in system.items())
        (folder / f"{table.name}.md").write_text(f"{table.markdown()}\nMeasured: {foot}.\n")
        (folder / f"{table.name}.json").write_text(
            json.dumps({"machine": system} | table.as_json(), indent=1) + "\n"
        )
    document = folder / "README.md"
    parts = [path.read_text() for path in sorted(folder.glob("*.md")) if path != document]
    document.write_text("\n".join([_HEAD, *parts]))
    return document


_HEAD = """# Benchmarks

Generated by `make bench`. Each value is the median of all runs, with the minimum and maximum in
brackets. Contenders run in turns, and ratios compare them with the first contender of the same run.
Wall time, CPU time and peak memory include the entire process from start to exit, with imports.
"""
