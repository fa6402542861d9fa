"""Run the containers of docker/kubernetes as local processes.

Each process gets its container's arguments and environment, with local folders and ports.
"""

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Self

import yaml  # type: ignore[import-untyped]

from tests.integration.processes import end, free_port, status_of, wait_until
from tests.paths import ROOT

KUBERNETES = ROOT / "docker" / "kubernetes"
#: The entry point in the Dockerfile of each image.
ENTRY = 'ENTRYPOINT ["python", "/opt/classroom/start.py"]'
PATIENCE = 90.0
"""Time limit in seconds for a process to respond on a busy machine."""


def manifests() -> list[Any]:
    """Return all manifests that are applied in addition to the chart."""
    return [
        each
        for name in ("services.yaml", "course.yaml")
        for each in yaml.safe_load_all((KUBERNETES / name).read_text("utf-8"))
    ]


class Cluster:
    """A stand-in for a cluster: local addresses for Services, and secrets and ConfigMaps.

    ``secrets`` has the keys and values of each secret. ``addresses`` maps each HOST:PORT in the
    cluster to a local one.
    """

    def __init__(self, directory: Path, secrets: Mapping[str, Mapping[str, str]]) -> None:
        self.directory = directory
        self.secrets = secrets
        self.manifests = manifests()
        self.addresses: dict[str, str] = {}
        for each in self.manifests:
            if each["kind"] == "Service":
                name, port = each["metadata"]["name"], each["spec"]["ports"][0]["port"]
                self.addresses[f"{name}:{port}"] = f"127.0.0.1:{free_port()}"

    def here(self, text: str) -> str:
        """Return the text with local addresses in place of those in the cluster."""
        for there, here in self.addresses.items():
            text = text.replace(f"//{there}", f"//{here}")
        return text

    @contextmanager
    def pods(self, *names: str) -> Iterator[None]:
        """Run one process for each Deployment; its Service must have the same name."""
        with ExitStack() as undo:
            started = [undo.enter_context(Pod(self, name, self.spec(name))) for name in names]
            for pod in started:
                pod.wait()
            yield

    def spec(self, name: str) -> Any:
        """Return the pod specification of a Deployment."""
        (found,) = (
            each["spec"]["template"]["spec"]
            for each in self.manifests
            if each["kind"] == "Deployment" and each["metadata"]["name"] == name
        )
        return found

    def files(self, volume: Mapping[str, Any]) -> dict[str, str]:
        """Return the initial files of a volume: their contents by name."""
        if "secret" in volume:
            source = volume["secret"]
            there = self.secrets[source["secretName"]]
            items = source.get("items") or [{"key": key, "path": key} for key in there]
            return {item["path"]: there[item["key"]] for item in items}
        if "configMap" in volume:
            (found,) = (
                each["data"]
                for each in self.manifests
                if each["kind"] == "ConfigMap"
                and each["metadata"]["name"] == volume["configMap"]["name"]
            )
            return dict(found)
        assert volume.keys() & {"emptyDir", "persistentVolumeClaim"}, volume
        return {}


class Pod:
    """A context manager that runs a pod's container as a process."""

    def __init__(self, cluster: Cluster, name: str, spec: Mapping[str, Any]) -> None:
        self._cluster = cluster
        self._spec = spec
        (self._container,) = spec["containers"]
        self.address = next(
            here for there, here in cluster.addresses.items() if there.startswith(f"{name}:")
        )
        self._directory = cluster.directory / name
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        folders = self._mount()
        words = [self._translated(word, folders) for word in self._container.get("args", ())]
        environment = {
            each["name"]: self._translated(each["value"], folders)
            for each in self._container["env"]
        }
        image = self._container["image"].partition(":")[0].removeprefix("classroom-")
        assert ENTRY in (ROOT / "docker/images" / image / "Dockerfile").read_text("utf-8")
        host, _, port = self.address.partition(":")
        if words:
            words += [f"--ip={host}", f"--port={port}"]
        else:
            environment |= {"ADDRESS": host, "PORT": port, "COURSE_UID": str(os.getuid())}
        inherited = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("JUPYTERHUB_", "JUPYTER_")) and name != "PORT"
        }
        with (self._directory / "log").open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, str(ROOT / "docker/images" / image / "start.py"), *words],
                cwd=folders["/tmp"],
                env={
                    **inherited,
                    **environment,
                    "TMPDIR": str(folders["/tmp"]),
                    "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
                    "PYTHONPATH": str(ROOT),
                    "PYTHONWARNINGS": "ignore",
                },
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        return self

    def __exit__(self, *exc: object) -> None:
        if self._process is not None:
            end(self._process)

    def wait(self) -> None:
        """Wait until the process responds."""
        wait_until(f"{self._container['name']} at {self.address}", self._serves, seconds=PATIENCE)

    def log(self) -> str:
        """Return the output of the process."""
        return (self._directory / "log").read_text(errors="replace")

    def _serves(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self.log()
        probe = self._container["startupProbe"]
        path = probe["httpGet"]["path"] if "httpGet" in probe else "/"
        status = status_of(f"http://{self.address}{path}")
        return status == 200 if "httpGet" in probe else status is not None

    def _mount(self) -> dict[str, Path]:
        """Create a folder with the initial files for each of the container's mounts."""
        volumes = {each["name"]: each for each in self._spec["volumes"]}
        folders = {}
        for mount in self._container["volumeMounts"]:
            folder = self._directory / mount["name"]
            folder.mkdir(parents=True)
            folders[mount["mountPath"]] = folder
        for mount in self._container["volumeMounts"]:
            for name, text in self._cluster.files(volumes[mount["name"]]).items():
                # Configuration files also contain the container's addresses and paths.
                (folders[mount["mountPath"]] / name).write_text(self._translated(text, folders))
        return folders

    def _translated(self, text: str, folders: Mapping[str, Path]) -> str:
        """Return the text with local addresses, and local folders for all mounts except /tmp."""
        places = {there: str(here) for there, here in folders.items() if there != "/tmp"}
        longest = sorted(places, key=len, reverse=True)
        pattern = rf"(?<![\w.-])({'|'.join(map(re.escape, longest))})(?=[/\"]|$)"
        return re.sub(pattern, lambda found: places[found[0]], self._cluster.here(text))
