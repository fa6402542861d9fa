"""Home directories: created once, complete and private."""

import os
from pathlib import Path

import pytest

from classroom_hub.homes import folder_name, make_home


def test_a_new_home_is_a_private_copy_of_the_skeleton(tmp_path: Path) -> None:
    """All files belong to the user, and only the user can open the home."""
    skeleton = tmp_path / "skeleton"
    (skeleton / "course").mkdir(parents=True)
    (skeleton / "course" / "start.txt").write_text("hello")
    homes = tmp_path / "homes"
    homes.mkdir()
    uid = 1_000_007 if os.geteuid() == 0 else os.getuid()
    home = make_home(homes, "ada", uid, skeleton)
    assert home.stat().st_mode & 0o7777 == 0o700
    assert {each.stat().st_uid for each in (home, *home.rglob("*"))} == {uid}
    assert (home / "course" / "start.txt").read_text() == "hello"
    assert [each.name for each in homes.iterdir()] == ["ada"]


def test_an_existing_home_is_not_changed(tmp_path: Path) -> None:
    """Files in it are kept."""
    home = make_home(tmp_path, "ada", os.getuid())
    (home / "work").write_text("mine")
    assert make_home(tmp_path, "ada", os.getuid()) == home
    assert (home / "work").read_text() == "mine"


def test_an_incomplete_home_is_created_again(tmp_path: Path) -> None:
    """The temporary folder of an interrupted attempt is removed."""
    (tmp_path / f".new-{os.getuid()}-{os.getpid()}").mkdir()
    make_home(tmp_path, "ada", os.getuid())
    assert [each.name for each in tmp_path.iterdir()] == ["ada"]


@pytest.mark.parametrize("name", ["../x", "a/b", "..", ".ssh", "x\ny", "é" * 80, "%2e"])
def test_no_name_leaves_the_folder_of_homes(name: str) -> None:
    """Every name becomes one valid, visible folder name."""
    folder = folder_name(name)
    assert "/" not in folder
    assert not folder.startswith(".")
    assert len(os.fsencode(folder)) <= 255


def test_plain_names_are_kept_and_all_names_are_distinct() -> None:
    """Encoding never maps two users to the same folder."""
    assert folder_name("ada@university.example") == "ada@university.example"
    names = ["a/b", "a%2Fb", "%a%2Fb", "a b", "a+b", "é", "e", "é" * 80, "é" * 81]
    assert len({folder_name(name) for name in names}) == len(names)
