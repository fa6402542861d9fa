"""Each course has its own token and its own network, also after docker/setup --add-course."""

import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from classroom_hub.roster import load_roster
from services.formgrader_proxy.courses_file.file import load_courses
from tests.deployment.test_setup import NO_DOCKER, Folder, free_port
from tests.paths import ROOT

DOCKER = ROOT / "docker"
#: A token in the folder that only root of a course's container can open.
PRIVATE = "/opt/classroom/secrets/grading_token"


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """A folder in which docker/setup has created everything."""
    made = Folder(tmp_path)
    made.setup("--defaults", PORT=free_port())
    return made


def load(name: str, directory: Path = DOCKER) -> Any:
    """Return the content of a YAML file."""
    return yaml.safe_load((directory / name).read_text("utf-8"))


@pytest.mark.parametrize("kind", ["compose", "stack"])
def test_an_added_course_is_like_course101(kind: str) -> None:
    """With another ID, the template has the same service, network, volume and secret."""
    whole = load(f"{kind}.yaml")
    text = (DOCKER / f"course.{kind}.yaml").read_text("utf-8")
    part = yaml.safe_load(text.replace("__ID__", "course101").replace("__VAR__", "course101"))
    assert part["services"]["course101"]["environment"].pop("COURSE_UID") == "__UID__"
    service = {
        key: value for key, value in whole["services"]["course101"].items() if key != "build"
    }
    assert part["services"]["course101"] == service
    formgrader = part["services"].pop("formgrader")
    assert set(formgrader["networks"]) < set(whole["services"]["formgrader"]["networks"])
    assert formgrader["secrets"][0] in whole["services"]["formgrader"]["secrets"]
    for section in ("networks", "volumes", "secrets"):
        assert part[section].items() <= whole[section].items()


@pytest.mark.attack("deploy-token-of-another-course", "deploy-network-of-another-course")
@pytest.mark.parametrize("kind", ["compose", "stack"])
def test_courses_share_neither_token_nor_network(folder: Folder, kind: str) -> None:
    """Two courses have only the formgrader service in common, and their tokens differ."""
    (problem,) = folder.setup("--add-course", "course-102")
    assert problem.startswith(NO_DOCKER)
    whole, part = load(f"{kind}.yaml"), load(f"courses/course-102.{kind}.yaml", folder.path)
    first, second = whole["services"]["course101"], part["services"]["course-102"]
    assert not set(first["networks"]) & set(second["networks"])
    for one, course_id in ((first, "course101"), (second, "course-102")):
        (secret,) = one["secrets"]
        assert secret["source"] == f"grading_token_{course_id}"
        assert secret["target"] == PRIVATE
        (network,) = one["networks"]
        assert (whole["networks"] | part["networks"])[network]["internal"] is True
        members = [name for name, each in whole["services"].items() if network in _networks(each)]
        members += [name for name, each in part["services"].items() if network in _networks(each)]
        assert sorted(members) == sorted([course_id, "formgrader"])
    assert second["environment"]["COURSE_UID"] != "65533"
    ids = ("course101", "course-102")
    tokens = {folder.secret(f"grading_token_{each}").read_text() for each in ids}
    assert len(tokens) == 2
    assert all(len(token) > 32 for token in tokens)


def test_each_course_has_its_own_account(folder: Folder) -> None:
    """It is the same with Compose and Swarm, and is no student's."""
    found = set()
    for course_id in ("course102", "course-103"):
        folder.setup("--add-course", course_id)
        uids = {
            load(f"courses/{course_id}.{kind}.yaml", folder.path)["services"][course_id][
                "environment"
            ]["COURSE_UID"]
            for kind in ("compose", "stack")
        }
        assert len(uids) == 1
        found |= uids
    assert len(found) == 2
    assert all(70000 <= int(uid) < 71500 for uid in found)


def _networks(service: Any) -> set[str]:
    return set(service.get("networks", ()))


def test_an_added_course_is_complete(folder: Folder) -> None:
    """Its entries are valid, and everything else is unchanged."""
    before = {each: each.read_text() for each in folder.path.rglob("*") if each.is_file()}
    folder.setup("--add-course", "course102")
    changed = {each.name for each, text in before.items() if each.read_text() != text}
    assert changed == {".env", "courses.toml", "roster.toml"}
    assert all(each.read_text().startswith(text) for each, text in before.items())
    courses = (folder.path / "etc/courses.toml").read_text()
    assert set(load_courses(courses)) == {"course101", "course102"}
    added = tomllib.loads(courses)["course"][1]
    assert added["url"] == "http://course102:8000"
    assert added["token_file"] == "/run/secrets/grading_token_course102"
    roster = load_roster((folder.path / "etc/roster.toml").read_text(), lambda _name: "")
    assert added["instructors"][0] in roster.groups
    last = (folder.path / ".env").read_text().splitlines()[-1]
    assert last == "COMPOSE_FILE=compose.yaml:courses/course102.compose.yaml"


def test_adding_a_course_twice_changes_nothing(folder: Folder) -> None:
    """A second run creates only what is missing, such as a deleted token."""
    folder.setup("--add-course", "course102")
    before = {each: each.read_text() for each in folder.path.rglob("*") if each.is_file()}
    folder.secret("grading_token_course102").unlink()
    folder.setup("--add-course", "course102")
    changed = [each.name for each, text in before.items() if each.read_text() != text]
    assert changed == ["grading_token_course102"]


def test_several_courses_can_be_added(folder: Folder) -> None:
    """Existing settings of COMPOSE_FILE are kept, such as that of Caddy."""
    with (folder.path / ".env").open("a") as file:
        file.write("COMPOSE_FILE=compose.yaml:compose.tls.yaml")  # without a line end
    folder.setup("--add-course", "course102")
    folder.setup("--add-course", "course103")
    last = (folder.path / ".env").read_text().splitlines()[-1]
    assert last == (
        "COMPOSE_FILE=compose.yaml:compose.tls.yaml:courses/course102.compose.yaml"
        ":courses/course103.compose.yaml"
    )
    assert len(load_courses((folder.path / "etc/courses.toml").read_text())) == 3


@pytest.mark.parametrize(
    "line",
    [
        'COMPOSE_FILE="compose.yaml:compose.tls.yaml"',
        "COMPOSE_FILE='compose.yaml:compose.tls.yaml' # with TLS",
        "export COMPOSE_FILE = compose.yaml:compose.tls.yaml  # with TLS",
        "COMPOSE_FILE=compose.yaml:compose.tls.yaml\r",
    ],
)
def test_a_setting_is_read_as_compose_reads_it(folder: Folder, line: str) -> None:
    """An .env that was edited by hand has quotes, comments, or Windows' line ends."""
    with (folder.path / ".env").open("a", newline="") as file:
        file.write(f"{line}\n")
    (problem,) = folder.setup("--add-course", "course102")
    assert problem.startswith(NO_DOCKER)
    last = (folder.path / ".env").read_text().splitlines()[-1]
    assert last == "COMPOSE_FILE=compose.yaml:compose.tls.yaml:courses/course102.compose.yaml"


def test_two_courses_cannot_have_the_same_account(folder: Folder) -> None:
    """The account follows from the ID, and there are 1500 of them."""
    folder.setup("--add-course", "course131")
    before = {each: each.read_text() for each in folder.path.rglob("*") if each.is_file()}
    problem, _ = folder.setup("--add-course", "course159")
    assert 'the ID "course159" has the same account, 70565, as courses/course131.' in problem
    after = {each: each.read_text() for each in folder.path.rglob("*") if each.is_file()}
    assert after == before


@pytest.mark.parametrize(
    "words",
    [
        ("--add-course", "course102", "course103"),
        ("--defaults", "--add-course", "course102"),
        ("--check", "x"),
    ],
)
def test_words_that_would_be_ignored_are_rejected(folder: Folder, words: tuple[str, ...]) -> None:
    """Nothing is changed: the second course would be missing without a message."""
    before = {each: each.read_text() for each in folder.path.rglob("*") if each.is_file()}
    done = subprocess.run(
        [str(folder.path / "setup"), *words], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stderr == (
        "docker/setup: use one option at a time, and --add-course with one ID;"
        " nothing was changed\n"
    )
    after = {each: each.read_text() for each in folder.path.rglob("*") if each.is_file()}
    assert after == before


@pytest.mark.parametrize(
    ("course_id", "expected"),
    [
        ("Course 102", 'the ID "Course 102" is not valid: use 2 to 40 lower-case letters'),
        ("../102", "is not valid"),
        ("x\ny", "is not valid"),
        ("102", "is not valid"),
        ("a" * 41, "is not valid"),
        ("no", "has a meaning in YAML"),
        ("course101", "is already in use in compose.yaml or stack.yaml"),
        ("control", "is already in use in compose.yaml or stack.yaml"),
        ("homes", "is already in use in compose.yaml or stack.yaml"),
    ],
)
def test_an_invalid_id_is_rejected(folder: Folder, course_id: str, expected: str) -> None:
    """The message says which IDs are valid, and no file is created or changed."""
    before = {each: each.read_text() for each in folder.path.rglob("*") if each.is_file()}
    problems = folder.setup("--add-course", course_id)
    assert expected in problems[0]
    after = {each: each.read_text() for each in folder.path.rglob("*") if each.is_file()}
    assert after == before


def test_a_course_cannot_be_added_before_the_setup(tmp_path: Path) -> None:
    """Nothing is created with default values in passing."""
    empty = Folder(tmp_path)
    problems = empty.setup("--add-course", "course102")
    assert "- .env is missing: run docker/setup" in problems
    assert not any((empty.path / name).exists() for name in (".env", "etc", "courses"))


def test_help_says_that_an_id_is_needed(folder: Folder) -> None:
    """The exit status is 2, as for other wrong arguments."""
    done = subprocess.run(
        [str(folder.path / "setup"), "--add-course"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stderr == "docker/setup: --add-course needs a course ID, such as course102\n"


def test_a_former_installation_keeps_working(folder: Folder) -> None:
    """courses.toml may still use the name grading_token, which is now the token of course101."""
    secrets = load("compose.yaml")["services"]["formgrader"]["secrets"]
    assert {"source": "grading_token_course101", "target": "grading_token"} in secrets
    former = "/run/secrets/grading_token"
    courses = folder.path / "etc/courses.toml"
    courses.write_text(courses.read_text().replace(f"{former}_course101", former))
    (problem,) = folder.setup("--check")
    assert problem.startswith(NO_DOCKER)


def test_courses_with_the_same_token_are_reported(folder: Folder) -> None:
    """As the former instructions for a second course led to; the message says what to do."""
    courses = folder.path / "etc/courses.toml"
    text = courses.read_text()
    courses.write_text(text + re.sub("course101", "course102", text, count=1))
    problem, _ = folder.setup("--check")
    assert problem.startswith("- etc/courses.toml: several courses have token_file = ")
    assert "run docker/setup --add-course ID for each course but course101" in problem


def test_a_course_that_compose_does_not_read_is_reported(folder: Folder) -> None:
    """For example after a change of COMPOSE_FILE by hand."""
    folder.setup("--add-course", "course102")
    with (folder.path / ".env").open("a") as file:
        file.write("COMPOSE_FILE=compose.yaml\n")
    problem, _ = folder.setup("--check")
    assert problem.startswith("- COMPOSE_FILE in .env does not contain courses/course102.compose")
