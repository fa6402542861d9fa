"""NFS volumes by the kernel's client, and virtual addresses, in a User-Mode Linux guest."""

import os

import pytest

from tests.uml import guest


@pytest.fixture(scope="module")
def said() -> dict[str, str]:
    """What the guest answered; REQUIRE_DOCKER=1 makes its absence a failure."""
    try:
        guest.prepare()
    except guest.GuestMissingError as error:
        if os.environ.get("REQUIRE_DOCKER") == "1":
            pytest.fail(f"REQUIRE_DOCKER=1, but {error}")
        pytest.skip(f"NO GUEST: {error}")
    answers = guest.answers()
    assert answers.get("ended") == "well\n", answers.get("log", "it did not boot")[-3000:]
    return answers


def test_files_are_mounted_by_the_kernel_as_stack_yaml_says(said: dict[str, str]) -> None:
    """NFS 4.2, hard, without set-uid programs or devices."""
    mount = next(line for line in said["mounts"].splitlines() if " /homes " in line)
    assert mount.split()[2] == "nfs4"
    assert {"vers=4.2", "hard", "noatime", "nosuid", "nodev"} <= set(mount.split()[3].split(","))


def test_a_student_writes_its_own_home(said: dict[str, str]) -> None:
    assert said["own"] == "of ada\nexit 0\n"
    assert said["server"].startswith("1000000:")


def test_files_are_there_after_the_volume_was_made_anew(said: dict[str, str]) -> None:
    assert said["again"] == "kept\nexit 0\n"


@pytest.mark.parametrize("name", ["other", "root", "root_makes"])
def test_nobody_else_reaches_a_home(said: dict[str, str], name: str) -> None:
    """Not another student, and not root in a container on a worker, who is nobody."""
    assert "Permission denied" in said[name]
    assert said[name].endswith("exit 1\n")


def test_root_of_a_worker_writes_as_nobody(said: dict[str, str]) -> None:
    assert said["root_shares"] == "65534\nexit 0\n"


def test_a_name_is_one_virtual_address_that_answers(said: dict[str, str]) -> None:
    """Two tasks have addresses of their own, the service's name has the one of the service."""
    assert said["mode"] == "vip\nexit 0\n"
    vips = {each.split("/")[0] for each in said["vips"].split()}
    named, tasks = _addresses(said["name"]), _addresses(said["tasks"])
    assert len(named) == 1
    assert named <= vips
    assert len(tasks) == 2
    assert not tasks & named
    assert said["by_name"] == "served\n"


def test_a_published_port_answers_by_the_ingress_network(said: dict[str, str]) -> None:
    assert said["ingress"] == "served\n"


def _addresses(lookup: str) -> set[str]:
    """What an nslookup found, without the server that it asked."""
    answer = lookup.partition("Name:")[2]
    words = answer.replace("Address:", " ").split()
    return {word for word in words if word.count(".") == 3}
