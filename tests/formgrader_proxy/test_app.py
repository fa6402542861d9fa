"""The command line of the formgrader proxy: settings, commands and exit codes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from services.formgrader_proxy.access import Administrators
from services.formgrader_proxy.app import FormgraderProxy
from services.formgrader_proxy.sandbox.mechanisms import available
from services.formgrader_proxy.settings import Route
from tests.formgrader_proxy.program import COURSES, environment


def run(directory: Path, *arguments: str, **env: str) -> tuple[int, str, str]:
    """Run the program to its end; returns the exit code, standard output and standard error."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "services.formgrader_proxy", *arguments],
        cwd=directory,
        env=environment(**env),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "Traceback" not in done.stderr
    return done.returncode, done.stdout, done.stderr


@pytest.fixture
def courses(tmp_path: Path) -> Path:
    path = tmp_path / "courses.toml"
    path.write_text(COURSES)
    return path


def test_all_invalid_settings_are_reported_together(tmp_path: Path) -> None:
    """One line each, exit code 1, no traceback, no password."""
    bad = tmp_path / "bad.toml"
    bad.write_text('[[course]]\nid = "a b"\nmode = "x"\n')
    code, _, errors = run(tmp_path, f"--courses={bad}", "--db-url=mysql://u:pw@x", "--register=/")
    assert code == 1
    for words in ("course", "mode", "--db-url", "--register", "Nowhere to listen"):
        assert words in errors
    assert "pw@" not in errors


def test_invalid_settings_of_the_route_and_frames(tmp_path: Path, courses: Path) -> None:
    """The proxy's address, token and target and the sites for frames are checked at startup."""
    (tmp_path / "token").write_bytes(b"\xff")
    code, _, errors = run(
        tmp_path,
        f"--courses={courses}",
        *("--port=0", "--register=/{x", "--proxy-api-url=http://x:y", "--register-target=10.0.0.5"),
        *(f"--proxy-token-file={tmp_path / 'token'}", "--frame-ancestors='self'; script-src *"),
    )
    assert code == 1
    options = (
        "register",
        "proxy-token-file",
        "proxy-api-url",
        "register-target",
        "frame-ancestors",
    )
    assert all(f"--{option}" in errors for option in options)


@pytest.mark.parametrize(
    ("given", "address"),
    [
        ("", ""),
        ("stats/", "/base/services/stats/"),
        ("stats", "/base/services/stats/"),
        ("/services/usage/", "/services/usage/"),
        ("https://stats.example.org", "https://stats.example.org/"),
    ],
)
def test_the_address_of_the_statistics(courses: Path, given: str, address: str) -> None:
    """A URL, a path, or a path below the Hub's services."""
    app = FormgraderProxy(courses=str(courses), stats_url=given, base_url="/base/")
    assert app.settings().site.stats_url == address


def test_an_invalid_address_of_the_statistics(tmp_path: Path, courses: Path) -> None:
    """It is reported at startup."""
    code, _, errors = run(tmp_path, f"--courses={courses}", "--port=0", "--stats-url=javascript:1")
    assert code == 1
    assert "--stats-url: use a URL or a path" in errors


def test_without_courses(tmp_path: Path) -> None:
    """The message says what to write."""
    code, _, errors = run(tmp_path)
    assert code == 1
    assert "--courses=FILE.toml" in errors


def test_check_courses(tmp_path: Path, courses: Path) -> None:
    """A valid file is explained, an invalid one is refused."""
    courses.write_text(COURSES.replace("/srv/sums", str(tmp_path)))
    code, output, _ = run(tmp_path, "check-courses", str(courses))
    assert code == 0
    assert "formgrade-sums" in output
    courses.write_text(COURSES + "mode = 1")
    code, _, errors = run(tmp_path, "check-courses", str(courses))
    assert code == 1
    assert f"{courses}: " in errors
    assert "mode" in errors


def test_check_courses_names_an_empty_file(tmp_path: Path) -> None:
    """A file without courses is valid, but probably not the one that was meant."""
    file = tmp_path / "courses.toml"
    file.write_text("# none yet\n")
    code, output, _ = run(tmp_path, "check-courses", str(file))
    assert (code, output) == (0, f"{file} is valid, but contains no course.\n")


def test_check_courses_reports_broken_courses(tmp_path: Path) -> None:
    """All problems of all courses, a missing account too, and exit code 1."""
    for name in ("good", "typo"):
        (tmp_path / name).mkdir()
    (tmp_path / "typo" / "nbgrader_config.py").write_text("c.Exchange.root =\n")
    file = tmp_path / "courses.toml"
    file.write_text(
        "".join(
            f'[[course]]\nid = "{name}"\ndirectory = "{tmp_path / name}"\n'
            for name in ("good", "typo", "lost")
        )
        + ('user = "no-such-account"\n' if os.geteuid() == 0 else "")
    )
    code, output, _ = run(tmp_path, "check-courses", str(file))
    assert code == 1
    good, typo, lost = output.partition("good:")[2].split("PROBLEM")
    assert "sandbox" in good
    assert "nbgrader_config.py, line 1: SyntaxError" in typo
    assert ("no-such-account" if os.geteuid() == 0 else "does not exist") in lost
    assert "2 problems found." in output


def test_check_courses_reports_the_sandbox(tmp_path: Path) -> None:
    """The mechanism that a course gets as its account, or why there is none."""
    file = tmp_path / "courses.toml"
    file.write_text(
        "".join(
            f'[[course]]\nid = "{name}"\ndirectory = "{folder}"\nsandbox = "{sandbox}"\n'
            for name, folder, sandbox in (
                ("best", tmp_path, "auto"),
                ("open", tmp_path, "none"),
                ("lost", tmp_path / "missing", "auto"),
            )
        )
        + '[[course]]\nid = "elsewhere"\nurl = "http://10.0.0.7"\n'
    )
    code, output, _ = run(tmp_path, "check-courses", str(file))
    assert code == 1  # one of the directories does not exist
    best, without, lost = [line.strip() for line in output.splitlines() if "sandbox:" in line]
    expected = available().best or "autograding is refused. Submissions cannot be isolated"
    assert best.startswith(f"sandbox: {expected}")
    assert without.startswith('sandbox: none (sandbox = "none"): the code')
    assert lost.startswith("sandbox: unknown, because it could not be tried: No such file")


def test_check_courses_without_a_mechanism(tmp_path: Path) -> None:
    """It says what to do."""
    file = tmp_path / "courses.toml"
    file.write_text(COURSES.replace("/srv/sums", str(tmp_path)) + 'sandbox = "bubblewrap"\n')
    _, output, _ = run(tmp_path, "check-courses", str(file), PATH="/nonexistent")
    assert "sandbox: autograding is refused. Submissions cannot be isolated" in output
    assert "bubblewrap (bwrap) is not installed" in output


def test_help_shows_examples(tmp_path: Path) -> None:
    """Commands that can be copied, and the options that most users need."""
    code, output, _ = run(tmp_path, "--help")
    assert code == 0
    assert "python -m services.formgrader_proxy --courses=" in output
    assert "check-courses" in output
    for option in FormgraderProxy.main_options:
        assert f"--{option}" in output


def test_the_settings_are_passed_on(courses: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As frozen values, with the route only if it is to be registered."""
    monkeypatch.setenv("CONFIGPROXY_AUTH_TOKEN", "proxy-secret")
    app = FormgraderProxy(
        courses=str(courses),
        api_token="hub-secret",
        url="http://hub/hub/api",
        service_prefix="/base/services/formgrader/",
        base_url="/base/",
        admin_groups=["it"],
        instructor_groups=["profs"],
        port=8000,
    )
    settings = app.settings()
    assert settings.site.prefix == "/base/services/formgrader/"
    assert settings.site.course_path("sums") == "/base/services/formgrader/sums/"
    assert settings.site.administrators == Administrators(frozenset({"it"}))
    assert settings.services_path == "/base/services/"
    assert settings.courses.courses["sums"].groups.instructors == {"profs"}
    assert settings.bind.port == 8000
    assert not settings.oauth.allow_frames
    assert settings.route is None
    app.register = "/services/formgrader"
    assert app.settings().route == Route("http://127.0.0.1:8001", "proxy-secret")
    assert "secret" not in repr(app.settings())
