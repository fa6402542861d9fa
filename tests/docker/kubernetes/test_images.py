"""The images work in Docker with the security context of docker/kubernetes.

As on a node, volumes belong to the pod's group (fsGroup), which can read the secrets. The root file
system is read-only, all capabilities are dropped, and the user and group are from the manifest.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from common import __version__
from tests.docker.engine import BASE, CommandError, Engine, until
from tests.docker.escape import REFUSED, Course
from tests.docker.kubernetes.pods import Cluster
from tests.paths import ROOT

DEPLOYMENTS = ("cull", "stats", "formgrader", "formgrader-course101")
SECRETS = {
    "hub": {f"hub.services.{name}.apiToken": "t" * 64 for name in DEPLOYMENTS},
    "classroom-formgraders": {"course101": "c" * 64},
}
#: Sends the probe's request; for the formgrader, requests an nbgrader page with its token.
PROBE = """
import sys, urllib.request
request = urllib.request.Request("http://127.0.0.1:8000" + sys.argv[1])
if sys.argv[2:]:
    request.add_header("Authorization", "token " + sys.argv[2])
print(urllib.request.urlopen(request, timeout=60).status)
"""


@pytest.fixture(scope="module")
def images(engine: Engine) -> Engine:
    """The engine with both images; reuses those built by the tests of compose.yaml."""
    for name in ("services", "formgrader"):
        directory, tag = ROOT / "docker" / "images" / name, f"classroom-{name}:{__version__}"
        engine.build(directory, tag, BASE_IMAGE=BASE, VERSION=__version__)
    return engine


@pytest.fixture
def container(
    images: Engine, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[tuple[Engine, str]]:
    """The engine and the name of a Deployment's running container."""
    cluster = Cluster(tmp_path, SECRETS)
    spec = cluster.spec(request.param)
    (of_it,) = spec["containers"]
    name = f"classroom-pod-{request.param}"
    words = ["run", "--detach", "--name", name, "--network", "none"]
    words += _rights(spec, of_it)
    volumes = {each["name"]: each for each in spec["volumes"]}
    group = spec["securityContext"]["fsGroup"]
    for mount in of_it["volumeMounts"]:
        files = cluster.files(volumes[mount["name"]])
        if files:
            folder = tmp_path / mount["name"]
            folder.mkdir(mode=0o750)
            for each, text in files.items():
                (folder / each).write_text(text)
                (folder / each).chmod(0o440)
            for each in (folder, *folder.iterdir()):
                os.chown(each, 0, group)
            words += ["--volume", f"{folder}:{mount['mountPath']}:ro"]
        else:
            words += ["--tmpfs", f"{mount['mountPath']}:mode=2775,uid=0,gid={group}"]
    for each in of_it["env"]:
        words += ["--env", f"{each['name']}={each['value']}"]
    images.docker("rm", "--force", name)  # left over from a run that was killed
    images.docker(*words, of_it["image"], *of_it.get("args", ()))
    try:
        yield images, name
    finally:
        images.docker("rm", "--force", name)


def _rights(spec: Any, container: Any) -> list[str]:
    """Return the docker run options for a Kubernetes security context."""
    whole, own = spec["securityContext"], container["securityContext"]
    assert own["readOnlyRootFilesystem"] is True
    assert own["allowPrivilegeEscalation"] is False
    assert own["capabilities"] == {"drop": ["ALL"]}
    assert whole["runAsNonRoot"] is True
    account = f"{whole['runAsUser']}:{whole['runAsGroup']}"
    words = ["--read-only", "--security-opt", "no-new-privileges", "--cap-drop", "ALL"]
    return [*words, "--user", account, "--group-add", str(whole["fsGroup"])]


@pytest.mark.parametrize("container", DEPLOYMENTS, indirect=True)
def test_a_container_works_with_the_privileges_in_its_manifest(
    container: tuple[Engine, str],
) -> None:
    """Services respond even without a hub, and the formgrader serves its page."""
    engine, name = container
    if name.endswith("course101"):
        path = "/services/formgrader/course101/formgrader/gradebook"
        probe = [path, SECRETS["classroom-formgraders"]["course101"]]
    else:
        probe = [f"/services/{name.removeprefix('classroom-pod-')}/health"]

    def serves() -> bool:
        try:
            said = engine.docker("exec", name, "python", "-c", PROBE, *probe)
        except CommandError:
            state = engine.docker("inspect", "--format", "{{.State.Running}}", name)
            assert state == "true\n", engine.docker("logs", name)
            return False
        return said == "200\n"

    until(f"{name} to serve", serves, seconds=120)
    with pytest.raises(CommandError, match="Read-only file system"):
        engine.docker("exec", name, "touch", "/opt/classroom/x")


@pytest.mark.attack("deploy-submission-in-container")
@pytest.mark.parametrize("container", ["formgrader-course101"], indirect=True)
def test_a_submission_reaches_nothing_in_its_pod(container: tuple[Engine, str]) -> None:
    """Not even the token, which the same account can read outside the sandbox."""
    engine, name = container
    secret = "/run/secrets/grading/grading_token"
    course = Course(engine, name, "course101", secret)
    token = SECRETS["classroom-formgraders"]["course101"]
    course.until_served(token)
    assert course.python(f"print(open({secret!r}).read())") == token
    assert course.mechanism() == "landlock"
    result, found = course.attack(token, ("192.0.2.1", 80))
    assert result["success"], result
    assert found.pop("write here").startswith("done")
    assert {each for each, outcome in found.items() if outcome.startswith("done")} == set()
    assert set(found) == set(REFUSED)
    assert course.score(token) == 1
