"""Prometheus metrics: one registry an application, closed label sets, made at start.

Names begin with ``jupyterhub_<service>_``; JUPYTERHUB_METRICS_PREFIX replaces ``jupyterhub``,
as it does on the Hub. Units stand in the name.
"""

import os
from collections.abc import Iterable, Mapping, Sequence
from itertools import product

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Info,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.metrics import MetricWrapperBase

CONTENT_TYPE = CONTENT_TYPE_LATEST
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
HUB_STATUSES = ("200", "403", "404", "429", "500", "502", "503", "504", "none")

Labels = Mapping[str, Iterable[str]] | Sequence[str]


class Metrics:
    """The metrics of one service.

    ``labels`` is a mapping of label to its values, which are then all made at once, so that
    a series is there (at 0) before its first event; or a sequence of label names for labels
    whose values only the run can tell.
    """

    def __init__(self, service: str, *, prefix: str | None = None, version: str = "") -> None:
        if prefix is None:
            prefix = os.environ.get("JUPYTERHUB_METRICS_PREFIX") or "jupyterhub"
        self.namespace = f"{prefix}_{service}"
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        if version:
            Info(
                "build", "What is running.", namespace=self.namespace, registry=self.registry
            ).info({"version": version})
        self._hub_requests = self.counter(
            "hub_requests_total", "Requests to the Hub.", ("endpoint", "method", "status")
        )
        self._hub_seconds = self.histogram(
            "hub_request_duration_seconds", "Seconds a request to the Hub took.", ("endpoint",)
        )

    def counter(self, name: str, help: str, labels: Labels = ()) -> Counter:  # noqa: A002 - the field's own word
        """A number that only grows; its name ends in ``_total``."""
        metric = Counter(
            name, help, tuple(labels), namespace=self.namespace, registry=self.registry
        )
        _make_all(metric, labels)
        return metric

    def gauge(self, name: str, help: str, labels: Labels = ()) -> Gauge:  # noqa: A002 - the field's own word
        """A number that goes up and down."""
        metric = Gauge(name, help, tuple(labels), namespace=self.namespace, registry=self.registry)
        _make_all(metric, labels)
        return metric

    def histogram(
        self,
        name: str,
        help: str,  # noqa: A002 - the field's own word
        labels: Labels = (),
        buckets: Sequence[float] = SECONDS,
    ) -> Histogram:
        """How a measure, by default seconds, is spread."""
        metric = Histogram(
            name,
            help,
            tuple(labels),
            namespace=self.namespace,
            registry=self.registry,
            buckets=buckets,
        )
        _make_all(metric, labels)
        return metric

    def hub_requests(self, endpoint: str, method: str, status: int | None, seconds: float) -> None:
        """Count one request to the Hub; give it to ``HubClient(on_request=...)``.

        ``endpoint`` is of a closed set; ``status`` is None where no whole answer came.
        """
        self._hub_requests.labels(endpoint, method, str(status or "none")).inc()
        self._hub_seconds.labels(endpoint).observe(seconds)

    def expect_hub_requests(self, *endpoints: str) -> None:
        """Make the series of these endpoints (``GET users``), with the statuses to expect."""
        for endpoint in endpoints:
            method, _, name = endpoint.rpartition(" ")
            self._hub_seconds.labels(name)
            for status in HUB_STATUSES:
                self._hub_requests.labels(name, method or "GET", status)

    def text(self) -> bytes:
        """Everything, in Prometheus' text format."""
        return generate_latest(self.registry)


def _make_all(metric: MetricWrapperBase, labels: Labels) -> None:
    if isinstance(labels, Mapping) and labels:
        for values in product(*(tuple(of) for of in labels.values())):
            metric.labels(*values)
