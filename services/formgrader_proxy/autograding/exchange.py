"""Guards for collecting submissions from nbgrader's exchange, where students can write.

Each function here replaces a method of nbgrader's ``ExchangeCollect``; see :mod:`.guards`.
"""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from nbgrader.exchange import ExchangeError
from nbgrader.utils import ignore_patterns

from services.formgrader_proxy.autograding.files.collecting import copy_submission
from services.formgrader_proxy.autograding.files.submissions import problems, readable, shown
from services.formgrader_proxy.autograding.reports import Report
from services.formgrader_proxy.autograding.settings import AutogradingSettings

#: Characters with a meaning in HTML, scripts, addresses, paths and patterns. A user name contains
#: none of them; it becomes the student's id, which is part of addresses and pages.
_REFUSED_IN_IDS = frozenset("<>\"'`&\\/?#%*[]{}|;")


class CollectGuard:
    """Collects what can be collected safely, and explains the rest."""

    def __init__(self, settings: AutogradingSettings, report: Report) -> None:
        self.settings = settings
        self._report = report

    def path_to_record(self, collect: Any, original: Callable[..., Any], path: str) -> Any:
        """The student and the time in the name of a submission's folder.

        An invalid name would end the collection of all others.
        """
        name = Path(path).name
        try:
            record = original(collect, path)
            invalid = not record["username"] or not _valid_id(record["username"])
        except Exception:  # nbgrader's parser of times raises many kinds
            record, invalid = {"filename": name}, True
        if invalid:
            record |= {"username": name, "timestamp": _LONG_AGO, "invalid": True}
        return record

    def copy_files(self, collect: Any, original: Callable[[Any], None]) -> None:
        """Collect every submission that is not refused.

        :raises ExchangeError: afterwards, if a submission was refused
        """
        collect.classroom_refused = []
        accepted = []
        for record in collect.src_records:
            folder = Path(collect.inbound_path) / record["filename"]
            if record.get("invalid"):
                found = ["The name of its folder in the exchange is invalid."]
            else:
                found = problems(folder, self.settings.bounds, links_count=True)
            if found:
                self._refuse(collect, record["filename"], found)
            else:
                accepted.append(record)
        collect.src_records = accepted
        original(collect)
        if collect.classroom_refused:
            raise ExchangeError(f"Not collected: {', '.join(collect.classroom_refused)}")

    def do_copy(self, collect: Any, _original: Callable[..., None], src: str, dest: str) -> None:
        """Copy one submission without following a link, even one that appears meanwhile."""
        course = collect.coursedir
        ignored = ignore_patterns(
            exclude=course.ignore,
            include=course.include,
            max_file_size=course.max_file_size,
            log=collect.log,
        )
        try:
            copy_submission(Path(src), Path(dest), ignored, self.settings.bounds)
        except OSError as error:
            self._refuse(collect, Path(src).name, [f"It cannot be copied: {error}."])

    def _refuse(self, collect: Any, name: str, found: list[str]) -> None:
        collect.classroom_refused.append(shown(name))
        self._report.fail(shown(name), found)
        for problem in found:
            collect.log.error("%s is refused. %s", shown(name), problem)


#: nbgrader's times have no time zone.
_LONG_AGO = datetime(1, 1, 1)  # noqa: DTZ001 - as above


def _valid_id(name: str) -> bool:
    return readable(name) and not name.startswith(".") and not _REFUSED_IN_IDS & set(name)
