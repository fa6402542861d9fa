"""What the check advises for a gradebook that has to be restored."""

from pathlib import Path

import pytest

from services.formgrader_proxy.course_check.gradebook.revisions import Upgrade
from services.formgrader_proxy.course_check.gradebook.sqlite_file import examine_file


@pytest.mark.parametrize("content", ["", "x" * 100])
def test_a_log_of_the_damaged_file_has_to_be_removed(tmp_path: Path, content: str) -> None:
    """SQLite would apply it to the restored file, which then is neither the one nor the other."""
    path, log = tmp_path / "gradebook.db", tmp_path / "gradebook.db-wal"
    path.write_text(content)
    found = examine_file(path, "gail", Upgrade("nbgrader db upgrade"))
    assert found is not None
    assert "Restore it from a backup." in found
    assert "Remove" not in found
    log.touch()
    found = examine_file(path, "gail", Upgrade("nbgrader db upgrade"))
    assert found is not None
    assert f"Remove {log} first" in found
