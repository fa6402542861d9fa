"""The last valid text of a settings file, as the service stores it."""

import logging
import tomllib
from pathlib import Path

import pytest

from common.config.kept import Keeper, without_comments
from common.config.settings_file import SettingsFile, read_tables
from common.errors import StoreError

A, B = '[[rule]]\nname = "a"\n', '[[rule]]\nname = "b"\n'


class Stored:
    """Stands for the database: what was written, and whether it is away."""

    def __init__(self) -> None:
        self.texts: list[tuple[Path, str]] = []
        self.away = False

    async def write(self, path: Path, text: str) -> None:
        if self.away:
            raise StoreError("database sqlite:///x: away")
        self.texts.append((path, text))


def load(text: str) -> list[str]:
    return [str(table["name"]) for table in read_tables(text, "rule")[0]]


@pytest.mark.parametrize(
    "text",
    [
        "",
        A + B,
        '# token = "abc"\n[[course]]\nid = "x" # abc\ngraders = ["a", "b#"]\n'
        "limits = {seconds = 4, x.y = [1, [2.5, true]]}\n",
        'a = """\n# no comment\n"\\u007f\\u0000\\\\"""\n"odd key" = "名前 \U0001f600"\n\'\' = 0\n',
        "[a]\nb = 1979-05-27T07:32:00.5-07:00\nc = 1979-05-27\nd = 07:32:00\ne = inf\nf = 1e300\n",
        "a = []\nb = {}\nc = [{}]\nbig = 9223372036854775807\n",
    ],
)
def test_without_comments(text: str) -> None:
    """The content is the same; what comments say, such as an old password, is gone."""
    plain = without_comments(text)
    assert tomllib.loads(plain) == tomllib.loads(text)
    assert "abc" not in plain


async def test_a_text_is_stored_once(tmp_path: Path) -> None:
    """At the start and after a change, but never an invalid or empty one."""
    path, stored = tmp_path / "rules.toml", Stored()
    path.write_text(A)
    file = SettingsFile(path, "the rules file", load)
    keeper = Keeper(file, stored.write)
    await keeper.keep()
    await keeper.keep()
    assert [(at, load(text)) for at, text in stored.texts] == [(path, ["a"])]
    for text in ("no TOML", B, ""):
        path.write_text(text)
        file.reload_if_changed()
        await keeper.keep()
    assert [load(text) for _, text in stored.texts] == [["a"], ["b"]]


async def test_a_failure_is_tried_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """It is logged and harms nothing."""
    path, stored = tmp_path / "rules.toml", Stored()
    path.write_text(A)
    keeper = Keeper(SettingsFile(path, "the rules file", load), stored.write)
    stored.away = True
    with caplog.at_level(logging.WARNING):
        await keeper.keep()
    assert "was not stored: database sqlite:///x: away" in caplog.text
    stored.away = False
    await keeper.keep()
    assert len(stored.texts) == 1
