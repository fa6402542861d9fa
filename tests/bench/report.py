"""Tables of what was measured, as Markdown for people and JSON for machines."""

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
    """One comparison. Ratios are taken to `peer`; `targets` are the greatest lawful ratios."""

    name: str
    title: str
    samples: dict[str, list[Sample]]
    peer: str
    benchmark: str = ""  # the name that runs it, where that is another
    wall_targets: dict[str, float] = field(default_factory=dict)
    hub_cpu_targets: dict[str, float] = field(default_factory=dict)
    peak_targets: dict[str, float] = field(default_factory=dict)  # megabytes
    notes: list[str] = field(default_factory=list)

    def spread(self, contender: str, quantity: str) -> Spread | None:
        values = [getattr(sample, quantity) for sample in self.samples[contender]]
        return None if None in values else Spread.of(values)

    def ratio(self, contender: str, quantity: str = "wall") -> float | None:
        ours, theirs = self.spread(contender, quantity), self.spread(self.peer, quantity)
        return ours.median / theirs.median if ours and theirs and theirs.median else None

    def verdicts(self) -> list[str]:
        """One sentence a target, kept or missed."""
        lines = []
        for what, quantity, targets in (
            ("wall time", "wall", self.wall_targets),
            ("Hub CPU", "hub_cpu", self.hub_cpu_targets),
        ):
            for name, target in targets.items():
                ratio = self.ratio(name, quantity)
                if ratio is not None:
                    lines.append(
                        f"{_verdict(ratio <= target)}: {name} takes {ratio:.3f} of the peer's"
                        f" {what}, target {target:.3f}."
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
        remarks = self.verdicts() + self.notes
        if remarks:
            lines += ["", *(f"- {remark}" for remark in remarks)]
        return "\n".join(lines) + "\n"

    def as_json(self) -> dict[str, object]:
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


def _verdict(kept: bool) -> str:
    return "Kept" if kept else "MISSED"


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
    """Where and with what it was measured."""
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        **{package: version(package) for package in PACKAGES},
    }


def write(tables: Sequence[Table], folder: Path) -> Path:
    """Write each table as `folder/NAME.md` and `.json`, and all of them as `folder/README.md`.

    Tables of earlier runs stay in the whole, so that a part can be measured anew.
    """
    folder.mkdir(parents=True, exist_ok=True)
    where = machine()
    for table in tables:
        foot = ", ".join(f"{key} {value}" for key, value in where.items())
        (folder / f"{table.name}.md").write_text(f"{table.markdown()}\nMeasured: {foot}.\n")
        (folder / f"{table.name}.json").write_text(
            json.dumps({"machine": where} | table.as_json(), indent=1) + "\n"
        )
    whole = folder / "README.md"
    parts = [path.read_text() for path in sorted(folder.glob("*.md")) if path != whole]
    whole.write_text("\n".join([_HEAD, *parts]))
    return whole


_HEAD = """# Benchmarks

Made by `make bench`. Each line is the median of the runs, with the least and the greatest in
brackets; contenders ran in turns, and the ratio is to the peer of the same run. Wall time, CPU
and peak memory are those of the whole process, from its start to its end, imports included.
"""
