"""The page of the Hub's metrics, written by the library that the Hub uses."""

from collections.abc import Sequence

from prometheus_client import CollectorRegistry, Gauge, Histogram, generate_latest

BUCKETS = (0.5, 1, 2.5, 5, 10, 15, 30, 60, 120, 180, 300, 600, float("inf"))
"""JupyterHub's own."""


def metrics_page(
    spawns: Sequence[tuple[str, str, float]] = (),
    *,
    hub_started: float | None = 1_772_400_000.5,
    prefix: str = "jupyterhub",
    reasons: bool = True,
) -> str:
    """The page after these spawns: status, reason and duration in seconds.

    ``reasons`` False: as before JupyterHub 6, where the status says it all.
    """
    registry = CollectorRegistry()
    labels = ["status", "reason"] if reasons else ["status"]
    name = "server_spawn_duration_seconds"
    histogram = Histogram(
        name, "Time taken", labels, namespace=prefix, buckets=BUCKETS, registry=registry
    )
    requests = Histogram(
        "request_duration_seconds", "All", ["handler"], namespace=prefix, registry=registry
    )
    requests.labels("jupyterhub.apihandlers.users.UserListAPIHandler").observe(0.1)
    histogram.labels(*(["success", ""] if reasons else ["success"]))
    for status, reason, seconds in spawns:
        histogram.labels(*([status, reason] if reasons else [status])).observe(seconds)
    if hub_started is not None:
        Gauge("process_start_time_seconds", "Start", registry=registry).set(hub_started)
    return generate_latest(registry).decode()
