"""Metrics: names, closed label sets, and the requests of the Hub client."""

import pytest

from common.web.metrics import Metrics


def lines(metrics: Metrics) -> list[str]:
    """The samples in the text format."""
    return [line for line in metrics.text().decode().splitlines() if not line.startswith("#")]


def test_names_start_with_hub_and_service() -> None:
    """Names start with ``jupyterhub`` and the service."""
    metrics = Metrics("cull", prefix="jupyterhub")
    metrics.gauge("holds", "Holds in force.").set(3)
    assert "jupyterhub_cull_holds 3.0" in lines(metrics)


def test_prefix_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """JUPYTERHUB_METRICS_PREFIX replaces ``jupyterhub``, as it does on the Hub."""
    monkeypatch.setenv("JUPYTERHUB_METRICS_PREFIX", "physics")
    metrics = Metrics("cull")
    metrics.counter("passes_total", "Passes.").inc()
    assert "physics_cull_passes_total 1.0" in lines(metrics)


def test_closed_labels_are_created_at_once() -> None:
    """Every combination of a closed label set exists at 0 before its first event."""
    metrics = Metrics("cull", prefix="jupyterhub")
    labels = {"reason": ("idle", "max_age"), "outcome": ("ok", "failed")}
    stops = metrics.counter("stops_total", "Stops.", labels)
    stops.labels("idle", "ok").inc()
    made = [line for line in lines(metrics) if line.startswith("jupyterhub_cull_stops_total{")]
    assert len(made) == 4
    assert 'jupyterhub_cull_stops_total{outcome="failed",reason="max_age"} 0.0' in made


def test_histogram_in_seconds() -> None:
    """The default buckets suit requests and passes."""
    metrics = Metrics("cull", prefix="jupyterhub")
    metrics.histogram("pass_seconds", "Seconds of a pass.", {"kind": ("full",)}).labels(
        "full"
    ).observe(0.3)
    assert 'jupyterhub_cull_pass_seconds_bucket{kind="full",le="0.5"} 1.0' in lines(metrics)


def test_hub_requests() -> None:
    """Requests to the Hub are counted by endpoint, method and status, and timed."""
    metrics = Metrics("cull", prefix="jupyterhub")
    metrics.hub_requests("users", "GET", 200, 0.1)
    metrics.hub_requests("users", "GET", None, 5.0)
    made = lines(metrics)
    name = "jupyterhub_cull_hub_requests_total"
    assert f'{name}{{endpoint="users",method="GET",status="200"}} 1.0' in made
    assert f'{name}{{endpoint="users",method="GET",status="none"}} 1.0' in made
    count = 'jupyterhub_cull_hub_request_duration_seconds_count{endpoint="users"} 2.0'
    assert count in made


def test_expected_hub_requests() -> None:
    """The series of expected requests exist before the first one."""
    metrics = Metrics("cull", prefix="jupyterhub")
    metrics.expect_hub_requests("GET users", "DELETE server")
    made = lines(metrics)
    name = "jupyterhub_cull_hub_requests_total"
    assert f'{name}{{endpoint="users",method="GET",status="200"}} 0.0' in made
    assert f'{name}{{endpoint="server",method="DELETE",status="none"}} 0.0' in made


def test_two_services_share_nothing() -> None:
    """Two applications in one process have separate registries."""
    one, two = Metrics("cull"), Metrics("cull")
    one.gauge("x", "X.").set(1)
    two.gauge("x", "X.").set(2)
    assert one.text() != two.text()


def test_process_and_build() -> None:
    """The memory of the process is reported, and the version if it is given."""
    made = lines(Metrics("cull", prefix="jupyterhub", version="1.2.3"))
    assert any(line.startswith("process_resident_memory_bytes") for line in made)
    assert 'jupyterhub_cull_build_info{version="1.2.3"} 1.0' in made
