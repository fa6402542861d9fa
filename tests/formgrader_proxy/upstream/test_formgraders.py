"""The formgraders of all courses, kept in line with the courses file."""

import asyncio
import logging
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.formgrader_proxy.courses_file.file import CoursesFile, load_courses
from services.formgrader_proxy.upstream import formgraders as module
from services.formgrader_proxy.upstream.endpoint import UpstreamUnreachable
from services.formgrader_proxy.upstream.formgraders import Formgraders
from services.formgrader_proxy.upstream.supervisor import State

SUMS = '[[course]]\nid = "sums"\nurl = "http://127.0.0.1:9"\n'
BIOLOGY = '[[course]]\nid = "bio"\ndirectory = "/srv/bio"\n'

States = list[tuple[State | None, State | None]]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "courses.toml"
    path.write_text(SUMS + BIOLOGY)
    return path


@pytest.fixture
def states() -> States:
    """The changes of state that were reported."""
    return []


@pytest.fixture
async def formgraders(path: Path, states: States) -> AsyncIterator[Formgraders]:
    file = CoursesFile(path, load_courses)
    found = Formgraders(
        file, lambda course_id: f"/{course_id}/", lambda old, new: states.append((old, new))
    )
    await found.replace(file.courses)
    yield found
    await found.close()


async def refresh(formgraders: Formgraders, path: Path, text: str) -> None:
    """Write the courses file, and have it read."""
    await asyncio.to_thread(path.write_text, text)
    await formgraders.refresh()


def ids(formgraders: Formgraders) -> list[str]:
    return [formgrader.course.id for formgrader in formgraders.all()]


async def test_courses_are_found_by_id(formgraders: Formgraders) -> None:
    """And listed in the order of their ids."""
    assert ids(formgraders) == ["bio", "sums"]
    formgrader = formgraders.get("bio")
    assert formgrader is not None
    assert formgrader.base_url == "/bio/"
    assert formgraders.get("other") is None


async def test_only_a_course_with_a_directory_is_supervised(formgraders: Formgraders) -> None:
    """The state of another is not known."""
    managed, external = formgraders.all()
    assert managed.pool is not None
    assert managed.state == "stopped"
    assert external.pool is None
    assert external.state == "elsewhere"
    upstream = external.ready()
    assert upstream is not None
    with external.in_use(upstream):
        assert upstream is external.ready()


async def test_a_changed_file_keeps_the_formgraders(formgraders: Formgraders, path: Path) -> None:
    """With the new settings of their courses, which the next request finds."""
    managed, external = formgraders.all()
    await refresh(
        formgraders, path, SUMS + BIOLOGY + 'title = "Biology"\n' + SUMS.replace("sums", "more")
    )
    assert ids(formgraders) == ["bio", "more", "sums"]
    assert formgraders.get("sums") is external
    assert formgraders.get("bio") is managed
    assert managed.course.title == "Biology"


async def test_an_unchanged_file_changes_nothing(formgraders: Formgraders) -> None:
    """Every formgrader stays."""
    before = formgraders.all()
    await formgraders.refresh()
    assert formgraders.all() == before


async def test_an_emptied_file_removes_no_course(formgraders: Formgraders, path: Path) -> None:
    """As a full disk leaves it. A file with a comment only is meant."""
    await refresh(formgraders, path, "\n")
    assert ids(formgraders) == ["bio", "sums"]
    assert "it is empty" in formgraders.problems[0]
    await refresh(formgraders, path, "# none\n")
    assert ids(formgraders) == []


async def test_another_database_in_the_same_file(
    formgraders: Formgraders, path: Path, tmp_path: Path
) -> None:
    """Processes of one course never use different gradebooks, so all are replaced."""
    file = tmp_path / "url"
    file.write_text("sqlite:////srv/one.db")
    await refresh(formgraders, path, f'{BIOLOGY}db_url_file = "{file}"\n')
    (formgrader,) = formgraders.all()
    pool = formgrader.pool
    file.write_text("sqlite:////srv/one.db\n")
    await formgraders.refresh()
    file.unlink()  # it is being replaced
    await formgraders.refresh()
    assert formgrader.pool is pool
    file.write_text("sqlite:////srv/two.db")
    await formgraders.refresh()
    assert formgrader.pool is not pool
    assert "two.db" not in repr(formgrader.course)


async def test_an_invalid_file_is_reported_once(
    formgraders: Formgraders, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The previous courses stay, and the problems can be shown."""
    await refresh(formgraders, path, SUMS + "mode = 1\n")
    await formgraders.refresh()
    assert ids(formgraders) == ["bio", "sums"]
    assert len(formgraders.problems) == 1
    assert caplog.text.count("The courses file is invalid") == 1
    await refresh(formgraders, path, SUMS)
    assert ids(formgraders) == ["sums"]
    assert list(formgraders.problems) == []


async def test_formgraders_are_counted_from_beginning_to_end(
    formgraders: Formgraders, states: States
) -> None:
    """So that the number in each state is never negative."""
    assert states == [(None, State.STOPPED)]
    await formgraders.replace({})
    assert states == [(None, State.STOPPED), (State.STOPPED, None)]
    assert ids(formgraders) == []


async def test_an_unreadable_token_file_makes_a_formgrader_unreachable(
    formgraders: Formgraders, tmp_path: Path
) -> None:
    """Until the file is there."""
    token = tmp_path / "token"
    await formgraders.replace(load_courses(SUMS + f'token_file = "{token}"\n'))
    (external,) = formgraders.all()
    with pytest.raises(UpstreamUnreachable, match="token file"):
        external.ready()
    token.write_text("secret\n")
    upstream = external.ready()
    assert upstream is not None
    assert upstream.token == "secret"


@pytest.mark.parametrize(
    ("text", "root", "warning"),
    [
        (SUMS + 'mode = "full"\n', False, 'mode = "full"'),
        (BIOLOGY + 'sandbox = "none"\n', False, 'sandbox = "none"'),
        (BIOLOGY, True, "runs as root"),
        (BIOLOGY, False, None),
        (SUMS, True, None),
    ],
    ids=["full mode", "no sandbox", "students' code as root", "not root", "external"],
)
async def test_risky_courses_are_logged(
    formgraders: Formgraders,
    text: str,
    root: bool,
    warning: str | None,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """One warning that says what it means."""
    await formgraders.replace({})
    monkeypatch.setattr(module, "may_switch_user", lambda: root)
    caplog.clear()
    await formgraders.replace(load_courses(text))
    warnings = [one.message for one in caplog.records if one.levelno == logging.WARNING]
    assert len(warnings) == (warning is not None)
    assert all(warning is not None and warning in one for one in warnings)


def make_fifo(path: Path) -> None:
    """Reading it waits for a writer."""
    path.unlink()
    os.mkfifo(path)


def write_and_replace(fifo: Path, text: str) -> None:
    """Give the reader this text, and the next one a file with it."""
    with fifo.open("w") as writer:
        fifo.unlink()
        fifo.write_text(text)
        writer.write(text)


async def test_a_file_that_cannot_be_read_now_delays_nobody(
    formgraders: Formgraders, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a file server that does not respond: the previous courses stay until it does."""
    monkeypatch.setattr(module, "RELOAD_SECONDS", 0.05)
    make_fifo(path)
    async with asyncio.timeout(5):
        await formgraders.refresh()
        await formgraders.refresh()
    assert ids(formgraders) == ["bio", "sums"]
    await asyncio.to_thread(write_and_replace, path, SUMS)
    async with asyncio.timeout(20):
        while ids(formgraders) != ["sums"]:
            await formgraders.refresh()


async def test_a_course_that_is_no_longer_served_is_not_started(formgraders: Formgraders) -> None:
    """By a request that began before its course was removed: nothing would stop it again."""
    managed, external = formgraders.all()
    await formgraders.replace({})
    for formgrader in (managed, external):
        with pytest.raises(UpstreamUnreachable, match="no longer served"):
            formgrader.ready()
    assert managed.pool is not None
    assert managed.pool.state is State.STOPPED
