"""A real Prometheus with servers of a known use, for the contract tests of the fake."""

import json
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.request import urlopen

from tests.stats.prometheus.fake import Running

SCRAPE = 60
"""Seconds between samples."""

SERVICE = "container_label_com_docker_swarm_service_name"


def _program(name: str) -> str | None:
    return shutil.which(name) or shutil.which(name, path=f"{sys.prefix}/lib/prometheus")


PROMETHEUS, PROMTOOL = _program("prometheus"), _program("promtool")
MISSING = (
    ""
    if PROMETHEUS and PROMTOOL
    else "prometheus and promtool are not installed (Debian's package prometheus; make programs)"
)


@dataclass
class _File:
    """Samples by metric, in the OpenMetrics format."""

    metrics: dict[str, list[str]] = field(default_factory=dict)

    def add(self, metric: str, labels: dict[str, str], moment: int, value: float) -> None:
        text = ",".join(f"{key}={json.dumps(value)}" for key, value in labels.items())
        self.metrics.setdefault(metric, []).append(f"{metric}{{{text}}} {value} {moment}")

    def text(self) -> str:
        lines = []
        for metric, samples in self.metrics.items():
            kind = "counter" if metric.endswith("_total") else "gauge"
            lines += [f"# TYPE {metric.removesuffix('_total')} {kind}", *samples]
        return "\n".join([*lines, "# EOF\n"])


def open_metrics(servers: Sequence[Running]) -> str:
    """What kubelet, kube-state-metrics and cAdvisor would say of the servers."""
    file = _File()
    for server in servers:
        first, last = int(server.start.timestamp()), int(server.end.timestamp())
        pod = {"namespace": server.namespace, "pod": server.name}
        cells = [
            {**pod, "container": "notebook", "id": "/a"},
            {**pod, "container": "", "id": "/pod"},  # the whole pod: counted twice if summed up
            {"name": server.name, "id": "/b"},
            {SERVICE: server.name, "name": f"{server.name}.1.x7", "id": "/c"},
        ]
        for moment in range(first, last + 1, SCRAPE):
            for labels in cells:
                file.add("container_memory_working_set_bytes", labels, moment, server.memory)
                file.add(
                    "container_cpu_usage_seconds_total",
                    {**labels, "cpu": "total"},
                    moment,
                    1000 + server.cores * (moment - first),
                )
                if "pod" not in labels:
                    reserved = server.memory_guarantee or 0  # cAdvisor's way to say: none
                    file.add(
                        "container_spec_memory_reservation_limit_bytes", labels, moment, reserved
                    )
            for resource, value in (
                ("memory", server.memory_guarantee),
                ("cpu", server.cpu_guarantee),
            ):
                if value is not None:
                    labels = {**pod, "container": "notebook", "resource": resource, "unit": "x"}
                    file.add("kube_pod_container_resource_requests", labels, moment, value)
            if server.user:
                labels = {**pod, "annotation_hub_jupyter_org_username": server.user}
                file.add("kube_pod_annotations", labels, moment, 1)
    return file.text()


@contextmanager
def real_prometheus(servers: Sequence[Running], directory: Path) -> Iterator[str]:
    """A Prometheus with these samples; yields its address."""
    assert PROMETHEUS
    assert PROMTOOL
    (directory / "metrics.txt").write_text(open_metrics(servers), encoding="utf-8")
    (directory / "prometheus.yml").write_text("{}\n", encoding="utf-8")
    data = str(directory / "data")
    subprocess.run(
        [PROMTOOL, "tsdb", "create-blocks-from", "openmetrics", directory / "metrics.txt", data],
        stdout=subprocess.DEVNULL,
        check=True,
    )
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [
            *(PROMETHEUS, f"--config.file={directory / 'prometheus.yml'}"),
            *(f"--storage.tsdb.path={data}", "--storage.tsdb.retention.time=100y"),
            *(f"--web.listen-address=127.0.0.1:{port}", "--log.level=error"),
        ]
    )
    url = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 30
        while not _is_ready(url):
            assert process.poll() is None, "Prometheus ended"
            assert time.monotonic() < deadline
            time.sleep(0.05)
        yield url
    finally:
        process.terminate()
        process.wait()


def _is_ready(url: str) -> bool:
    try:
        with urlopen(f"{url}/-/ready") as response:  # noqa: S310 - http on this machine
            return bool(response.status == 200)
    except OSError:
        return False
