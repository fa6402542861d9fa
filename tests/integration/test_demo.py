"""`make demo`: it starts, users can sign in, all processes stop, and it starts again."""

import asyncio
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import aiohttp
import psutil
import pytest

from tests.integration.demo_exchange import assignment_goes_round
from tests.integration.processes import free_port, proxy_command, wait_until
from tests.integration.realhub import BROWSER, sign_in
from tests.paths import ROOT

FORMGRADER = "services/formgrader/course101/formgrader"
DEMO = ROOT / "examples" / "demo" / "demo.py"


class Demo:
    """A demo in a separate process, with its state in the test's directory."""

    def __init__(self, state: Path, port: int) -> None:
        self.state = state
        self.output = state.parent / "output.txt"
        self.url = f"http://127.0.0.1:{port}/"
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, str(DEMO)],
                env={**os.environ, "PORT": str(port), "DEMO_STATE": str(state)},
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def printed(self) -> str:
        """Return the output so far."""
        return self.output.read_text()

    @property
    def password(self) -> str:
        return self.password_of("students")

    @property
    def staff_password(self) -> str:
        return self.password_of("all other users")

    def password_of(self, users: str) -> str:
        found = re.search(rf"password of {users}\s+(\S+)", self.printed())
        assert found, self.printed()
        return found.group(1)

    def wait_until_up(self) -> None:
        def up() -> bool:
            return "Press Ctrl-C to stop." in self.printed() or self.process.poll() is not None

        wait_until("the demo's table", up, seconds=300)
        assert self.process.poll() is None, self.printed()

    def processes(self) -> list[psutil.Process]:
        """Return the demo's processes, except demo.py itself."""
        found = []
        for process in psutil.process_iter():
            try:
                if process.environ().get("DEMO_MARK") == str(self.state):
                    found.append(process)
            except (psutil.Error, OSError):
                continue
        return found


@contextmanager
def running(state: Path) -> Iterator[Demo]:
    """A demo that is ready; it is always stopped at the end."""
    demo = Demo(state, free_port())
    try:
        demo.wait_until_up()
        yield demo
    finally:
        if demo.process.poll() is None:
            demo.process.terminate()
        demo.process.wait(60)


@pytest.mark.attack("account-shared-password")
@pytest.mark.skipif(proxy_command() is None, reason="no proxy: run `make setup`")
async def test_sign_in_stop_and_start_again(tmp_path: Path) -> None:
    """Users can work, submit and grade; Ctrl-C stops everything; the next run keeps the state."""
    state = tmp_path / "state"
    with running(state) as demo:
        jar = aiohttp.CookieJar(unsafe=True)
        async with aiohttp.ClientSession(cookie_jar=jar, headers=BROWSER) as session:
            # The students' password signs in no other user.
            for other in ("admin", "ines", "Ines", "greta", "gustav"):
                with pytest.raises(AssertionError):
                    await sign_in(session, demo.url, other, demo.password)
            await sign_in(session, demo.url, "ada", demo.password)
            async with session.get(demo.url + "hub/spawn") as page:
                assert page.status == 200, page.url
            for service in ("cull", "stats", "formgrader"):
                assert f"{demo.url}services/{service}/\n" in demo.printed()
                await until_page(session, demo.url + "hub/home", f'href="/services/{service}/"')
            await until_page(session, demo.url + "user/ada/lab", "jupyter-config-data")
            await until_page(session, demo.url + "services/cull/", "students")
            # The demo data includes the real users, so that each role sees something.
            await until_page(session, demo.url + "services/stats/", '<span class="time">')
            # The status is 404 until the formgrader has reloaded its list of courses.
            await until_page(session, demo.url + FORMGRADER, "You do not grade", status=403)
        async with aiohttp.ClientSession(
            cookie_jar=aiohttp.CookieJar(unsafe=True), headers=BROWSER
        ) as session:
            await sign_in(session, demo.url, "greta", demo.staff_password)
            await until_page(session, demo.url + "services/formgrader/", "Course 101")
            await until_page(session, demo.url + "services/stats/person?user=ada", 'class="work"')
            await until_page(session, demo.url + FORMGRADER + "/manage_submissions/ps1", "ps1")
        password = demo.password
        await assignment_goes_round(demo.url, state, "ines", demo.staff_password, password)
        assert len(demo.processes()) >= 3
        demo.process.send_signal(signal.SIGINT)
        assert demo.process.wait(60) == 0, demo.printed()
        assert demo.processes() == []
        assert demo.printed().endswith("Everything has stopped.\n")

    with running(state) as demo:
        assert demo.password == password
        jar = aiohttp.CookieJar(unsafe=True)
        async with aiohttp.ClientSession(cookie_jar=jar) as session:
            await sign_in(session, demo.url, "admin", demo.staff_password)
            async with session.get(demo.url + "hub/admin") as page:
                assert page.status == 200
        # If demo.py is killed, its hub keeps running; the next run ends it.
        left_over = demo.processes()
        demo.process.kill()
    with running(state) as demo:
        assert not any(process.is_running() for process in left_over)
        os.killpg(demo.process.pid, signal.SIGTERM)
        assert demo.process.wait(60) == 0
        assert demo.processes() == []


async def until_page(
    session: aiohttp.ClientSession, url: str, words: str, *, status: int = 200
) -> None:
    """Wait for a page that contains these words."""
    async with asyncio.timeout(120):
        while True:
            async with session.get(url) as page:
                if page.status == status and words in await page.text():
                    return
            await asyncio.sleep(0.2)


def errors(state: Path, port: str) -> list[str]:
    """Return the messages of a demo that cannot start."""
    ran = subprocess.run(
        [sys.executable, str(DEMO)],
        env={**os.environ, "PORT": port, "DEMO_STATE": str(state)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode == 1
    assert ran.stdout == ""
    return ran.stderr.splitlines()


def test_port_in_use(tmp_path: Path) -> None:
    """A port in use is reported in one line with the remedy, and the exit status is 1."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        (line,) = errors(tmp_path, str(port))
    assert line.startswith(f"Port {port} of 127.0.0.1 is in use; choose another with make demo")


@pytest.mark.parametrize("port", ["http", "0", "70000", "-1"])
def test_invalid_port(tmp_path: Path, port: str) -> None:
    """An invalid port is reported in one line, and the exit status is 1."""
    assert errors(tmp_path, port) == [
        f"PORT={port} is not a valid port; use a number such as PORT=9000"
    ]
