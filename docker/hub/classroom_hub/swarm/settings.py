"""The settings of SPAWNER=swarm, from the environment that stack.yaml sets."""

from collections.abc import Callable, Mapping
from typing import Any

from classroom_hub.swarm.spec import ENDPOINT_MODES, Files
from common.errors import ConfigError


def configure_swarm(
    c: Any, environ: Mapping[str, str], uid_of: Callable[[str], int], *, firewall: bool = True
) -> None:
    """Configure ``c``, the object of jupyterhub_config.py, to run servers in the swarm.

    The image, command and limits are set as for any spawner (``c.Spawner``,
    ``c.DockerSpawner.image``). With ``firewall``, a server reaches only the hub and the proxy.

    :raises ConfigError: with all problems
    """
    problems: list[str] = []
    files = None
    try:
        files = Files(
            environ.get("FILES_TYPE", "nfs"),
            environ.get("FILES_OPTIONS", ""),
            environ.get("FILES_DEVICE", ":/srv/classroom"),
        )
    except ConfigError as error:
        problems += error.problems
    mode = environ.get("ENDPOINT_MODE", "dnsrr")
    if mode not in ENDPOINT_MODES:
        problems.append(f"ENDPOINT_MODE={mode} is not valid: use {' or '.join(ENDPOINT_MODES)}")
    network = environ.get("STUDENTS_NETWORK", "")
    if not network:
        problems.append("STUDENTS_NETWORK is not set: use the network of the servers and the proxy")
    if problems:
        raise ConfigError(problems)
    constraint = environ.get("STUDENTS_CONSTRAINT", "node.labels.classroom.worker == true")
    spawner = c.ClassroomSwarmSpawner
    spawner.files = files
    spawner.uid_of = uid_of
    spawner.endpoint_mode = mode
    spawner.network_name = network
    spawner.constraints = [each.strip() for each in constraint.split(",") if each.strip()]
    # A service name may resolve to a virtual address; tasks.* resolves to the real ones.
    spawner.may_reach = "hub proxy tasks.hub tasks.proxy" if firewall else ""
    spawner.prefix = environ.get("SERVERS_PREFIX", "jupyter")
    spawner.use_internal_ip = True
    spawner.homes_here = environ.get("HOMES_HERE", "/srv/classroom/homes")
    spawner.skeleton = environ.get("SKELETON", "")
    spawner.exchange = environ.get("EXCHANGE_DIRECTORY", "/srv/nbgrader/exchange")
    spawner.courses = environ.get("COURSES_DIRECTORY", "")
    c.JupyterHub.spawner_class = "classroom_hub.swarm.spawner.ClassroomSwarmSpawner"
    # Servers and routes keep working while the hub is replaced; the new hub finds them again.
    c.JupyterHub.cleanup_servers = False
    c.JupyterHub.cleanup_proxy = False
