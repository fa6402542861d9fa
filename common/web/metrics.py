"""Prometheus metrics: one registry per application, and all series created at startup.

Names start with ``jupyterhub_<service>_``; JUPYTERHUB_METRICS_PREFIX replaces ``jupyterhub``, as it
does on the Hub. Names include units.
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

    ``labels`` maps each label to its possible values: all series are created at once, so that each
    exists (at 0) before its first event. For labels whose values are not known in advance it is a
    sequence of label names.
    """

    def __init__(self, service: str, *, prefix: str | None = None, version: str = "") -> None:
        if prefix is None:
            prefix = os.environ.get("JUPYTERHUB_METRICS_PREFIX") or "jupyterhub"
        self.namespace = f"{prefix}_{service}"
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        if version:
            Info(
                "build", "The running version.", namespace=self.namespace, registry=self.registry
            ).info({"version": version})
        self._hub_requests = self.counter(
            "hub_requests_total", "Requests sent to the Hub.", ("endpoint", "method", "status")
        )
        self._hub_seconds = self.histogram(
            "hub_request_duration_seconds",
            "Duration of requests to the Hub, in seconds.",
            ("endpoint",),
        )

    def counter(self, name: str, help: str, labels: Labels = ()) -> Counter:  # noqa: A002 - the standard term
        """A number that only increases; its name ends in ``_total``."""
        metric = Counter(
            name, help, tuple(labels), namespace=self.namespace, registry=self.registry
        )
        _create_series(metric, labels)
        return metric

    def gauge(self, name: str, help: str, labels: Labels = ()) -> Gauge:  # noqa: A002 - the standard term
        """A number that increases and decreases."""
        metric = Gauge(name, help, tuple(labels), namespace=self.namespace, registry=self.registry)
        _create_series(metric, labels)
        return metric

    def histogram(
        self,
        name: str,
        help: str,  # noqa: A002 - the standard term
        labels: Labels = (),
        buckets: Sequence[float] = SECONDS,
    ) -> Histogram:
        """The distribution of a measure; the default buckets are in seconds."""
        metric = Histogram(
            name,
            help,
            tuple(labels),
            namespace=self.namespace,
            registry=self.registry,
            buckets=buckets,
        )
        _create_series(metric, labels)
        return metric

    def hub_requests(self, endpoint: str, method: str, status: int | None, seconds: float) -> None:
        """Count one request to the Hub: pass this method to ``HubClient(on_request=...)``.

        ``endpoint`` is from a closed set; ``status`` is None if there was no complete response.
        """
        self._hub_requests.labels(endpoint, method, str(status or "none")).inc()
        self._hub_seconds.labels(endpoint).observe(seconds)

    def expect_hub_requests(self, *endpoints: str) -> None:
        """Create the series of these endpoints (``GET users``) for every expected status."""
        for endpoint in endpoints:
            method, _, name = endpoint.rpartition(" ")
            self._hub_seconds.labels(name)
            for status in HUB_STATUSES:
                self._hub_requests.labels(name, method or "GET", status)

    def text(self) -> bytes:
        """All metrics in the Prometheus text format."""
        return generate_latest(self.registry)


def _create_series(metric: MetricWrapperBase, labels: Labels) -> None:
    if isinstance(labels, Mapping) and labels:
        for values in product(*(tuple(of) for of in labels.values())):
            metric.labels(*values)
