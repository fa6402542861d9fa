"""The names of servers' pods and containers, as the spawners make them."""

import pytest

from services.stats.query.resources.slugs import Spawned, names

# Computed by kubespawner 7.1.0 (its slugs.py and _expand_user_properties, with the slug schemes
# "safe" and "escape") and DockerSpawner 14.0.0 (its escape and "legacy"), with escapism 1.1.0.
PODS = {
    ("ana", ""): ("jupyter-ana", "jupyter-ana"),
    ("a.b", ""): ("jupyter-a-b---2e7336dc", "jupyter-a-2eb"),
    ("a-b", ""): ("jupyter-a-b", "jupyter-a-2db"),
    ("Ana.B@uni.example", ""): (
        "jupyter-ana-b-uni-example---9f48b7ef",
        "jupyter--41na-2e-42-40uni-2eexample",
    ),
    ("名前", ""): ("jupyter-x---7ec26292", "jupyter--e5-90-8d-e5-89-8d"),
    ("a--b", ""): ("jupyter-a-b---90827a2e", "jupyter-a-2d-2db"),
    ("ana", "gpu"): ("jupyter-ana--gpu", "jupyter-ana--gpu"),
    ("ana", "GPU 1"): ("jupyter-ana--gpu-1---563fe73c", "jupyter-ana---47-50-55-201"),
    ("a" * 50, ""): (f"jupyter-{'a' * 17}--x---35a479d2", f"jupyter-{'a' * 50}"),
    ("a" * 30, "b" * 30): (
        f"jupyter-{'a' * 17}--{'b' * 17}---583103a5",
        f"jupyter-{'a' * 30}--{'b' * 30}",
    ),
}
CONTAINERS = {
    ("a.b", ""): ("jupyter-a-2eb", "jupyter-a_2Eb"),
    ("a-b", ""): ("jupyter-a-2db", "jupyter-a-b"),
    ("名前", ""): ("jupyter--e5-90-8d-e5-89-8d", "jupyter-_E5_90_8D_E5_89_8D"),
    ("ana", "GPU 1"): ("jupyter-ana--gpu-201", "jupyter-ana--gpu_201"),
}


@pytest.mark.parametrize(("server", "made"), PODS.items())
def test_pods(server: tuple[str, str], made: tuple[str, str]) -> None:
    """KubeSpawner's names, with the safe scheme and the one before."""
    assert tuple(names(Spawned.PODS, "jupyter", *server)) == made


@pytest.mark.parametrize(("server", "made"), CONTAINERS.items())
def test_containers(server: tuple[str, str], made: tuple[str, str]) -> None:
    """DockerSpawner's names, with its own way to escape and the earlier one."""
    own, legacy = made
    assert [*names(Spawned.CONTAINERS, "jupyter", *server)] == [own]
    assert [*names(Spawned.LEGACY_CONTAINERS, "jupyter", *server)] == [legacy]


@pytest.mark.parametrize("user", ["ana", "a.b", "x" * 80])
@pytest.mark.parametrize("server", ["", "gpu"])
def test_services(user: str, server: str) -> None:
    """The names in this project's own Swarm deployment, long ones included."""
    spec = pytest.importorskip("classroom_hub.swarm.spec", reason="docker is not installed")
    escaped = user.replace(".", "-2e")
    assert spec.service_name("classroom", escaped, server) in names(
        Spawned.SERVICES, "classroom", user, server
    )
