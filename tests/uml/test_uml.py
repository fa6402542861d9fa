"""NFS volumes with the kernel's client, and virtual addresses, in a User-Mode Linux guest."""

import os

import pytest

from tests.uml import guest


@pytest.fixture(scope="module")
def output() -> dict[str, str]:
    """The files that the guest wrote; with REQUIRE_DOCKER=1, tests fail without a guest."""
    try:
        guest.prepare()
    except guest.GuestMissingError as error:
        if os.environ.get("REQUIRE_DOCKER") == "1":
            pytest.fail(f"REQUIRE_DOCKER=1, but {error}")
        pytest.skip(f"NO GUEST: {error}")
    results = guest.results()
    assert results.get("ended") == "well\n", results.get("log", "the guest did not boot")[-3000:]
    return results


def test_mounts_have_the_options_of_stack_yaml(output: dict[str, str]) -> None:
    """Volumes are hard NFS 4.2 mounts with nosuid and nodev."""
    mount = next(line for line in output["mounts"].splitlines() if " /homes " in line)
    assert mount.split()[2] == "nfs4"
    assert {"vers=4.2", "hard", "noatime", "nosuid", "nodev"} <= set(mount.split()[3].split(","))


def test_a_student_can_write_to_the_home(output: dict[str, str]) -> None:
    """The file on the server belongs to the student's uid."""
    assert output["own"] == "of ada\nexit 0\n"
    assert output["server"].startswith("1000000:")


def test_files_survive_a_new_volume(output: dict[str, str]) -> None:
    """A volume that is removed and created again still has its files."""
    assert output["again"] == "kept\nexit 0\n"


@pytest.mark.parametrize("name", ["other", "root", "root_makes"])
def test_other_users_cannot_access_a_home(output: dict[str, str], name: str) -> None:
    """Other students and root in a container on a worker are denied access."""
    assert "Permission denied" in output[name]
    assert output[name].endswith("exit 1\n")


def test_root_on_a_worker_writes_as_nobody(output: dict[str, str]) -> None:
    """The server maps root to the anonymous uid."""
    assert output["root_shares"] == "65534\nexit 0\n"


def test_a_service_name_resolves_to_a_virtual_address(output: dict[str, str]) -> None:
    """The virtual address responds and differs from the addresses of the two tasks."""
    assert output["mode"] == "vip\nexit 0\n"
    vips = {each.split("/")[0] for each in output["vips"].split()}
    named, tasks = _addresses(output["name"]), _addresses(output["tasks"])
    assert len(named) == 1
    assert named <= vips
    assert len(tasks) == 2
    assert not tasks & named
    assert output["by_name"] == "served\n"


def test_a_published_port_responds_through_the_ingress_network(output: dict[str, str]) -> None:
    """The port is reachable on the machine's address."""
    assert output["ingress"] == "served\n"


def _addresses(lookup: str) -> set[str]:
    """Return the addresses in nslookup's output, except the DNS server's."""
    answer = lookup.partition("Name:")[2]
    words = answer.replace("Address:", " ").split()
    return {word for word in words if word.count(".") == 3}
