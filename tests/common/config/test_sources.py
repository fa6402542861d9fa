"""Configuration files and the command line, and the mistakes in them."""

from pathlib import Path

import pytest
from traitlets import Unicode

from common.program import launch
from tests.common.config.conftest import IdleCuller, problems, run


@pytest.mark.parametrize(
    ("argv", "timeout", "cull_users"),
    [
        ([], 600, False),
        (["--timeout=5"], 5, False),
        (["--timeout", "5"], 5, False),
        (["--IdleCuller.timeout=5"], 5, False),
        (["--cull-users"], 600, True),
        (["--cull-users=true"], 600, True),
        (["--cull-users", "true"], 600, True),
        (["--cull-users=false"], 600, False),
        (["--timeout=5", "--timeout=6"], 6, False),
    ],
)
def test_command_line(argv: list[str], timeout: int, cull_users: bool) -> None:
    """Options are accepted in every spelling that traitlets documents."""
    assert run(*argv) == 0
    assert (IdleCuller.seen["timeout"], IdleCuller.seen["cull_users"]) == (timeout, cull_users)


def test_config_file(tmp_path: Path) -> None:
    """A configuration file sets what the command line does not."""
    (tmp_path / "c.py").write_text("c.IdleCuller.timeout = 7\nc.ServiceApp.port = 0\n")
    assert run("--config", "c.py", "--cull-users") == 0
    seen = IdleCuller.seen
    assert (seen["timeout"], seen["cull_users"], seen["port"]) == (7, True, 0)


def test_command_line_wins_over_the_file(tmp_path: Path) -> None:
    """An option wins over the file, whichever section of the file sets it."""
    (tmp_path / "c.py").write_text(
        "c.IdleCuller.url = 'http://file/hub/api'\nc.IdleCuller.log_level = 'ERROR'\n"
    )
    assert run("--config=c.py", "--url=http://flag/hub/api", "--debug") == 0
    assert IdleCuller.seen["url"] == "http://flag/hub/api"
    assert IdleCuller.seen["log_level"] == 10


def test_file_wins_over_the_environment(tmp_path: Path) -> None:
    """The file wins over the environment."""
    (tmp_path / "c.py").write_text("c.IdleCuller.url = 'http://file/hub/api'\n")
    assert run("--config=c.py") == 0
    assert IdleCuller.seen["url"] == "http://file/hub/api"


def test_json_config_file(tmp_path: Path) -> None:
    """A configuration file may be JSON."""
    (tmp_path / "c.json").write_text('{"IdleCuller": {"timeout": 8}}')
    assert run("--config=c.json") == 0
    assert IdleCuller.seen["timeout"] == 8


class WithDefaultFile(IdleCuller):
    """A service with a default configuration file."""

    config_file = Unicode("idle_culler_config.py").tag(config=True)


def test_default_config_file(tmp_path: Path) -> None:
    """The default configuration file is read if it exists and is not required."""
    assert launch.run(WithDefaultFile, []) == 0
    (tmp_path / "idle_culler_config.py").write_text("c.IdleCuller.timeout = 9\n")
    assert launch.run(WithDefaultFile, []) == 0
    assert IdleCuller.seen["timeout"] == 9


def test_config_files_containers(tmp_path: Path) -> None:
    """traitlets' lazy containers (append and the like) work in the file."""
    (tmp_path / "c.py").write_text("c.IdleCuller.names.append('x')\n")
    assert run("--config=c.py") == 0
    assert IdleCuller.seen["names"] == ["x"]


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("c.IdleCuller.timeout = \n", "c.py, line 1: "),
        ("\nc.IdleCuller.timeout = unknown\n", "c.py: line 2: NameError: name 'unknown'"),
        ("import nothing_like_this\n", "ModuleNotFoundError"),
        ("raise SystemExit('later')\n", "c.py: the file ends the program"),
        ("c.IdleCuller.timeout = 10**400\n", "--timeout: must be a number of at most 2147483647"),
        ("c.IdleCuller.names = 5\n", 'must be a list of texts, such as ["ONE", "TWO"]'),
        ("c.IdelCuller.timeout = 7\n", "c.IdelCuller is not a known section; did you mean c.Idle"),
    ],
)
def test_wrong_config_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, part: str
) -> None:
    """A mistake in a configuration file is reported with its line, without a traceback."""
    (tmp_path / "c.py").write_text(text)
    assert part in problems(capsys, "--config=c.py")


@pytest.mark.parametrize("text", ["[1]", "5", '"IdleCuller"'])
def test_json_config_file_that_is_no_object(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    """A JSON file must contain an object."""
    (tmp_path / "c.json").write_text(text)
    assert "c.json, line 1: must contain a JSON object" in problems(capsys, "--config=c.json")


def test_sections_of_other_programs(tmp_path: Path) -> None:
    """Sections of other programs in a shared file are ignored."""
    (tmp_path / "c.py").write_text("c.JupyterHub.port = 1\nc.NativeAuthenticator.x = 2\n")
    assert run("--config=c.py") == 0


def test_missing_named_config_file(capsys: pytest.CaptureFixture[str]) -> None:
    """A file that is named on the command line must exist."""
    assert "--config: nope.py does not exist" in problems(capsys, "--config=nope.py")


def test_secret_settings_are_not_repeated(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The invalid value of a setting that may contain a secret is not shown."""
    (tmp_path / "c.py").write_text(
        "c.IdleCuller.api_token = ['s3cret']\nc.IdleCuller.db_url = {'s3cret': 1}\n"
    )
    output = problems(capsys, "--config=c.py")
    assert "--api-token" not in output
    assert "api_token" in output
    assert "db_url" in output
