"""The settings of the page about resources, as values."""

from dataclasses import dataclass

from services.stats.prometheus.client import PrometheusSettings
from services.stats.prometheus.presets import Expressions
from services.stats.query.resources.prices import Prices


@dataclass(frozen=True)
class ResourceSettings:
    """Where to measure, what, and at which prices."""

    prometheus: PrometheusSettings
    expressions: Expressions
    prices: Prices
