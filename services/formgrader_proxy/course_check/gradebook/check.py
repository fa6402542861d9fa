"""A course's gradebook, wherever it is."""

from services.formgrader_proxy.course_check.findings import Finding
from services.formgrader_proxy.course_check.gradebook.names import examine_names
from services.formgrader_proxy.course_check.gradebook.revisions import Upgrade
from services.formgrader_proxy.course_check.gradebook.server import connectable, examine_server
from services.formgrader_proxy.course_check.gradebook.sqlite_file import examine_file, read_only
from services.formgrader_proxy.course_check.gradebook.url import sqlite_path


def examine_gradebook(db_url: str, account: str, upgrade_command: str) -> str | None:
    """What is wrong with the gradebook. ``upgrade_command`` would upgrade it."""
    upgrade = Upgrade(upgrade_command)
    path = sqlite_path(db_url)
    if path is not None:
        return examine_file(path, account, upgrade)
    return examine_server(db_url, upgrade)


def examine_names_in(db_url: str) -> list[Finding]:
    """Warnings about names in a gradebook that :func:`examine_gradebook` accepts."""
    path = sqlite_path(db_url)
    if path is None:
        return examine_names(connectable(db_url))
    return examine_names(read_only(path)) if path.exists() else []
