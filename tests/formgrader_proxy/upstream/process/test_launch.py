"""Launching a formgrader: its account, its environment and its standard input."""

import asyncio
import dataclasses
import json
import os
import pwd
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from services.formgrader_proxy.autograding.settings import AutogradingSettings
from services.formgrader_proxy.upstream.process.launch import LaunchSettings, launch, read_secret
from services.formgrader_proxy.upstream.process.listener import Listener

#: Prints everything about us that the process can see.
SCRIPT = """
import json, os, sys
start = json.load(sys.stdin)
known = {"environ": dict(os.environ), "cwd": os.getcwd(), "uid": os.getuid(), "start": start}
print(json.dumps(known, indent=1))
"""
COMMAND = (sys.executable, "-c", SCRIPT)


async def seen(settings: LaunchSettings, directory: Path) -> dict[str, Any]:
    """What the process can see."""
    private = Path(tempfile.mkdtemp(dir=directory))
    with Listener() as listener:
        process = launch(settings, private, listener, "its-own-token")
        async with asyncio.timeout(60):
            lines = [line async for line in process.lines()]
            assert await process.wait() == 0
    known: dict[str, Any] = json.loads("".join(lines))
    return known


async def test_secrets_are_not_in_its_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither the Hub's token, nor other variables of this service, nor its own token."""
    monkeypatch.setenv("JUPYTERHUB_API_TOKEN", "hub-secret")
    monkeypatch.setenv("MY_PASSWORD", "own-secret")
    monkeypatch.setenv("TZ", "Europe/Vienna")
    settings = LaunchSettings(
        "c1", tmp_path, "/c1/", environment={"NBGRADER_X": "1"}, command=COMMAND
    )
    known = await seen(settings, tmp_path)
    environ = known["environ"]
    assert not [name for name in environ if name.startswith("JUPYTERHUB_")]
    assert "MY_PASSWORD" not in environ
    assert not {"hub-secret", "own-secret", "its-own-token"} & set(environ.values())
    assert (environ["NBGRADER_X"], environ["TZ"]) == ("1", "Europe/Vienna")
    assert environ["PATH"].startswith(str(Path(sys.executable).parent))
    assert environ["HOME"] == pwd.getpwuid(os.getuid()).pw_dir
    assert known["cwd"] == str(tmp_path)


async def test_its_settings_are_on_standard_input(tmp_path: Path) -> None:
    """With the gradebook's URL from its file, and the descriptor of its socket."""
    secret = tmp_path / "db-url"
    secret.write_text("postgresql://x\n")
    settings = LaunchSettings("c1", tmp_path, "/c1/", db_url_file=secret, command=COMMAND)
    start = (await seen(settings, tmp_path))["start"]
    assert start.pop("listener") > 2
    assert start == {
        "course_id": "c1",
        "base_url": "/c1/",
        "token": "its-own-token",
        "db_url": "postgresql://x",
        "db_url_file": str(secret),
        "autograding": AutogradingSettings().to_json(),
    }


@pytest.mark.parametrize("missing", ["db_url_file", "directory"])
async def test_a_missing_file_is_an_oserror(tmp_path: Path, missing: str) -> None:
    """Which names it, for the course's log page."""
    settings = LaunchSettings("c1", tmp_path, "/", command=COMMAND)
    settings = dataclasses.replace(settings, **{missing: Path("/no/such/file")})  # type: ignore[arg-type]  # one of the paths
    with Listener() as listener, pytest.raises(OSError, match="/no/such/file"):
        launch(settings, tmp_path, listener, "t")


async def test_an_unknown_user_is_a_lookup_error(tmp_path: Path) -> None:
    """The formgrader is not run under another account instead."""
    settings = LaunchSettings("c1", tmp_path, "/", user="no-such-account")
    with Listener() as listener, pytest.raises(LookupError):
        launch(settings, tmp_path, listener, "t")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can run it as another user")
async def test_as_root_it_runs_as_another_user(tmp_path: Path) -> None:
    """With that user's id and home, and the private directory is theirs."""
    nobody = pwd.getpwnam("nobody")
    for part in (tmp_path, *tmp_path.parents):
        if part != Path("/") and part.stat().st_uid == 0 and str(part).startswith("/tmp/"):
            part.chmod(0o755)
    private = tmp_path / "private"
    private.mkdir(0o700)
    command = ("/bin/sh", "-c", "id -u; echo $HOME; stat -c %u private")
    settings = LaunchSettings("c1", tmp_path, "/", user="nobody", command=command)
    with Listener() as listener:
        process = launch(settings, private, listener, "t")
        async with asyncio.timeout(60):
            lines = [line async for line in process.lines()]
            assert await process.wait() == 0
    assert lines == [str(nobody.pw_uid), nobody.pw_dir, str(nobody.pw_uid)]
    assert not private.exists()


def test_a_secret_is_read_without_white_space(tmp_path: Path) -> None:
    """Editors end files with a line break."""
    path = tmp_path / "secret"
    path.write_text(" word \n")
    assert read_secret(path) == "word"
    assert read_secret(None) is None


def a_link(path: Path, elsewhere: Path) -> None:
    path.symlink_to(elsewhere)


def a_linked_folder(path: Path, elsewhere: Path) -> None:
    path.parent.rmdir()
    path.parent.symlink_to(elsewhere.parent)


def a_fifo(path: Path, elsewhere: Path) -> None:
    os.mkfifo(path)


def too_long(path: Path, elsewhere: Path) -> None:
    path.write_text("x" * 100_000)


@pytest.mark.parametrize("replace", [a_link, a_linked_folder, a_fifo, too_long])
def test_a_course_does_not_choose_what_is_read_for_it(
    tmp_path: Path, replace: Callable[[Path, Path], None]
) -> None:
    """Its account can replace a file below its directory, and this process may be root."""
    (tmp_path / "root").mkdir()
    elsewhere = tmp_path / "root" / "url"
    elsewhere.write_text("secret")
    course = tmp_path / "course"
    (course / "own").mkdir(parents=True)
    path = course / "own" / "url"
    replace(path, elsewhere)
    with pytest.raises(OSError, match=str(path)):
        read_secret(path, course)
    assert read_secret(elsewhere, course) == "secret"


def test_a_secret_in_the_directory_of_a_course(tmp_path: Path) -> None:
    (tmp_path / "url").write_text(" word\n")
    assert read_secret(tmp_path / "url", tmp_path) == "word"
