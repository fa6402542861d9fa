"""TOML files that are read again when they change."""

import threading
import time
from pathlib import Path

import pytest

from common.config.settings_file import Reload, SettingsFile, read_tables
from common.errors import ConfigError


def load(text: str) -> list[str]:
    """The names in ``[[rule]]`` tables. :raises ConfigError: as a service would"""
    tables, problems = read_tables(text, "rule")
    if problems:
        raise ConfigError(problems)
    return [table["name"] for table in tables]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[[rule", "not TOML: "),
        ("[[rul]]", 'rul: unknown key; only [[rule]] tables are allowed; did you mean "rule"?'),
        ("x = 1", "x: unknown key; only [[rule]] tables are allowed"),
        ("[rule]", "rule: write each rule as a separate table: [[rule]]"),
        ("rule = [1]", "rule: write each rule as a separate table: [[rule]]"),
    ],
)
def test_an_invalid_file(tmp_path: Path, text: str, problem: str) -> None:
    """A file with anything but its tables is rejected, with what to write instead."""
    file = tmp_path / "rules.toml"
    file.write_text(text)
    with pytest.raises(ConfigError) as raised:
        SettingsFile(file, "the rules file", load)
    assert raised.value.problems[0].startswith(problem)


@pytest.mark.parametrize("content", [None, b"\xff\xfe"])
def test_an_unreadable_file(tmp_path: Path, content: bytes | None) -> None:
    """A missing file or one that is not UTF-8 is named together with the reason."""
    file = tmp_path / "rules.toml"
    if content is not None:
        file.write_bytes(content)
    reason = "not UTF-8 text" if content else "No such file"
    with pytest.raises(
        ConfigError, match=rf"the rules file .*rules\.toml cannot be read: {reason}"
    ):
        SettingsFile(file, "the rules file", load)


def test_an_impossible_path() -> None:
    """A path that no file can have is reported like an unreadable file."""
    with pytest.raises(ConfigError, match="cannot be read"):
        SettingsFile(Path("a\0b"), "the rules file", load)


def test_a_byte_order_mark(tmp_path: Path) -> None:
    """A byte order mark, which some editors write, is ignored."""
    file = tmp_path / "rules.toml"
    file.write_bytes(b'\xef\xbb\xbf[[rule]]\nname = "a"')
    assert SettingsFile(file, "the rules file", load).value == ["a"]


def test_reloading(tmp_path: Path) -> None:
    """A valid change is loaded; an invalid one is reported once, and the last value is kept."""
    path = tmp_path / "rules.toml"
    path.write_text('[[rule]]\nname = "a"')
    file = SettingsFile(path, "the rules file", load)
    assert file.reload_if_changed() is Reload.UNCHANGED
    path.write_text("[[rule")
    assert file.reload_if_changed() is Reload.REFUSED
    assert file.reload_if_changed() is Reload.UNCHANGED
    assert file.problems
    assert file.value == ["a"]
    path.write_text('[[rule]]\nname = "b"')
    assert file.reload_if_changed() is Reload.LOADED
    assert (file.value, file.problems) == (["b"], ())


def test_a_file_that_disappears_and_returns(tmp_path: Path) -> None:
    """A file that is restored unchanged is loaded again, so that its problem ends."""
    path = tmp_path / "rules.toml"
    path.write_text('[[rule]]\nname = "a"')
    file = SettingsFile(path, "the rules file", load)
    path.rename(tmp_path / "away.toml")
    assert file.reload_if_changed() is Reload.REFUSED
    (tmp_path / "away.toml").rename(path)
    assert file.reload_if_changed() is Reload.LOADED
    assert file.problems == ()


def test_a_file_that_is_being_written(tmp_path: Path) -> None:
    """The first half of a file is not used, even if it is valid."""
    path, half = tmp_path / "rules.toml", '[[rule]]\nname = "a"\n'
    path.write_text(half * 2)
    used: list[list[str]] = []

    def use(text: str) -> None:
        used.append(load(text))

    file = SettingsFile(path, "the rules file", use)
    writing, stop = threading.Event(), threading.Event()

    def write() -> None:
        with path.open("w") as opened:
            for _ in range(8):
                opened.write(half)
                opened.flush()
                writing.set()
                stop.wait(0.02)

    writer = threading.Thread(target=write)
    writer.start()
    writing.wait(10)
    try:
        while file.reload_if_changed() is not Reload.LOADED:
            time.sleep(0.01)
    finally:
        stop.set()
        writer.join(10)
    assert used == [["a"] * 2, ["a"] * 8]


@pytest.mark.parametrize("now", ["no TOML", None])
def test_a_kept_text(tmp_path: Path, now: str | None) -> None:
    """It applies if the file is invalid or missing at the start, until the file is corrected."""
    path = tmp_path / "rules.toml"
    if now is not None:
        path.write_text(now)
    file = SettingsFile(path, "the rules file", load, '[[rule]]\nname = "kept"')
    assert file.value == ["kept"]
    assert file.problems
    assert file.reload_if_changed() is Reload.UNCHANGED
    assert (file.value, bool(file.problems)) == (["kept"], True)
    path.write_text('[[rule]]\nname = "new"')
    assert file.reload_if_changed() is Reload.LOADED
    assert (file.value, file.problems) == (["new"], ())


def test_a_kept_text_is_only_the_second_choice(tmp_path: Path) -> None:
    """A valid file applies; and a kept text that is no longer valid does not help."""
    path, good = tmp_path / "rules.toml", '[[rule]]\nname = "a"'
    path.write_text(good)
    file = SettingsFile(path, "the rules file", load, '[[rule]]\nname = "kept"')
    assert (file.value, file.problems, file.text) == (["a"], (), good)
    path.write_text("no TOML")
    with pytest.raises(ConfigError, match="not TOML"):
        SettingsFile(path, "the rules file", load, "neither")
