"""A table of how long requests took."""

from collections.abc import Mapping
from dataclasses import asdict

from tests.bench.report import Table
from tests.integration.formgrader_proxy.grading_day.journal import Spread


class Latencies(Table):
    """Medians, 95th percentiles and extremes, with the targets of the percentiles in seconds."""

    def __init__(
        self,
        name: str,
        title: str,
        *,
        rows: Mapping[str, Spread],
        targets: Mapping[str, float],
        notes: list[str],
    ) -> None:
        super().__init__(name, title, {}, "", notes=notes)
        self.rows, self.targets = rows, targets

    def verdicts(self) -> list[str]:
        return [
            f"{'Met' if self.rows[what].p95 <= most else 'MISSED'}: {what}: p95"
            f" {self.rows[what].p95:.3f} s, target {most} s."
            for what, most in self.targets.items()
        ]

    def markdown(self) -> str:
        lines = [f"## {self.title}", "", f"`python -m tests.bench {self.name}`", ""]
        lines += ["|  | requests | median s | p95 s | slowest s |"]
        lines += ["| --- | ---: | ---: | ---: | ---: |"]
        for what, one in self.rows.items():
            cells = f"{one.median:.3f} | {one.p95:.3f} | {one.greatest:.3f}"
            lines.append(f"| {what} | {one.count:,} | {cells} |")
        lines += ["", *(f"- {sentence}" for sentence in self.verdicts() + self.notes)]
        return "\n".join(lines) + "\n"

    def as_json(self) -> dict[str, object]:
        return super().as_json() | {"rows": {what: asdict(one) for what, one in self.rows.items()}}
