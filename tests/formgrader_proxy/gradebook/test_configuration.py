"""Whether configuration files have changed."""

import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from services.formgrader_proxy.gradebook.configuration import ConfigurationFiles


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """What an application of nbgrader says about its files."""
    monkeypatch.chdir(tmp_path)
    return SimpleNamespace(
        config_file="",
        config_file_name="nbgrader_config",
        config_file_paths=[str(tmp_path / "etc")],
        coursedir=SimpleNamespace(root=str(tmp_path)),
    )


def test_files_are_read_again_when_they_change(app: SimpleNamespace, tmp_path: Path) -> None:
    """Added, changed, replaced by another of the same size, and removed."""
    files, path = ConfigurationFiles(), tmp_path / "nbgrader_config.py"
    assert [files.changed(app), files.changed(app)] == [True, False]
    path.write_text("c = 1")
    assert [files.changed(app), files.changed(app)] == [True, False]
    other = tmp_path / "other"
    other.write_text("c = 2")
    os.utime(other, ns=(path.stat().st_mtime_ns,) * 2)
    other.rename(path)
    assert [files.changed(app), files.changed(app)] == [True, False]
    path.unlink()
    assert [files.changed(app), files.changed(app)] == [True, False]


def test_files_in_the_other_places(app: SimpleNamespace, tmp_path: Path) -> None:
    """The account's and the machine's, also Jupyter's own, and one named on the command line."""
    files = ConfigurationFiles()
    files.changed(app)
    (tmp_path / "etc").mkdir()
    assert not files.changed(app)
    (tmp_path / "etc" / "jupyter_config.json").write_text("{}")
    assert files.changed(app)
    app.config_file = "mine"
    assert files.changed(app)
    (tmp_path / "mine.py").write_text("")
    assert files.changed(app)
