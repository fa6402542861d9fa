"""The settings of the page about resources: Prometheus and prices."""

import ssl
from math import isfinite
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from traitlets import Enum, Float, HasTraits, Int, Unicode

if TYPE_CHECKING:
    from services.stats.prometheus.presets import Expressions
    from services.stats.prometheus.settings import ResourceSettings

OPTIONS = (
    *("prometheus_url", "prometheus_preset", "prometheus_prefix", "prometheus_selector"),
    *("prometheus_memory", "prometheus_cpu", "prometheus_memory_guarantee"),
    *("prometheus_cpu_guarantee", "prometheus_label", "prometheus_token_file"),
    *("prometheus_ca_file", "prometheus_timeout"),
    *("price_memory_gb_hour", "price_cpu_hour", "price_base", "currency"),
)
"""The names of the traits; each is a flag, with dashes."""

_PRESETS = ("kubernetes", "kubernetes-annotations", "docker", "docker-legacy", "swarm")
_EXPRESSION = (
    "One series for each server, with the server's name in --prometheus-label. $names is a regular"
    " expression of the names, $selector are more label matchers."
)


class ResourceOptions(HasTraits):
    """Traits of the application, and the frozen settings made of them."""

    prometheus_url = Unicode(
        help="The Prometheus that measures users' servers, for example http://prometheus:9090."
        " Adds the page Resources."
    ).tag(config=True)
    prometheus_preset = Enum(
        _PRESETS,
        "kubernetes",
        help="What runs the servers, and so which metrics to query.",
    ).tag(config=True)
    prometheus_prefix = Unicode(
        "jupyter",
        help="What precedes the user in the names of servers' pods, containers or services,"
        " without the dash.",
    ).tag(config=True)
    prometheus_selector = Unicode(
        help='Label matchers to add to the preset\'s, such as namespace="jupyterhub".'
    ).tag(config=True)
    prometheus_memory = Unicode(
        help=f"PromQL for memory in bytes, instead of the preset's. {_EXPRESSION}"
    ).tag(config=True)
    prometheus_cpu = Unicode(
        help="PromQL for cores in use, instead of the preset's. $window is the time between"
        " samples."
    ).tag(config=True)
    prometheus_memory_guarantee = Unicode(
        help="PromQL for guaranteed bytes of memory, instead of the preset's."
    ).tag(config=True)
    prometheus_cpu_guarantee = Unicode(
        help="PromQL for guaranteed cores, instead of the preset's."
    ).tag(config=True)
    prometheus_label = Unicode(
        help="The label with the name of the pod or container, instead of the preset's. A label"
        " user, if there is one, is used as the user's own name."
    ).tag(config=True)
    prometheus_token_file = Unicode(
        help="File with a token for Prometheus, or with USER:PASSWORD."
    ).tag(config=True)
    prometheus_ca_file = Unicode(
        help="Certificate authority of Prometheus. Default: the system's."
    ).tag(config=True)
    prometheus_timeout = Int(
        20, min=1, max=300, help="Time limit for a query to Prometheus, in seconds."
    ).tag(config=True)
    price_memory_gb_hour = Float(
        0.0, min=0, help="Price of a GB (2^30 bytes) of memory for an hour; 0: none."
    ).tag(config=True)
    price_cpu_hour = Float(0.0, min=0, help="Price of a core for an hour; 0: none.").tag(
        config=True
    )
    price_base = Enum(
        ("larger", "guarantee"),
        "larger",
        help="What is paid for: the larger of guarantee and use, or the guarantee.",
    ).tag(config=True)
    currency = Unicode(help="The currency of the prices, such as EUR.").tag(config=True)

    def resource_problems(self, *, pseudonymised: bool) -> list[str]:
        """All invalid settings of Prometheus and the prices, each with what to write instead."""
        found = []
        if self.prometheus_url:
            found += self._connection_problems()
            found += self._expressions().problems()
            if pseudonymised:
                found.append(
                    "--prometheus-url cannot be used with --pseudonymise: Prometheus knows the"
                    " users' names, which would show whose pseudonyms are whose. Remove one of"
                    " them."
                )
        elif named := [name for name in OPTIONS if self._is_set(name)]:
            flags = ", ".join("--" + name.replace("_", "-") for name in named)
            found.append(f"{flags}: needs --prometheus-url=http://HOST:9090.")
        for name in ("price_memory_gb_hour", "price_cpu_hour"):
            if not isfinite(getattr(self, name)):
                found.append(f"--{name.replace('_', '-')}: write a number such as 0.005.")
        if len(self.currency) > 10 or not self.currency.isprintable():
            found.append("--currency: write a short name such as EUR.")
        return found

    def _is_set(self, name: str) -> bool:
        return bool(getattr(self, name) != self.traits()[name].default())

    def _connection_problems(self) -> list[str]:
        from services.stats.prometheus.client import PrometheusUnavailable, credentials

        found = []
        try:
            parts = urlsplit(self.prometheus_url)
            valid = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
            has_password = "@" in parts.netloc
        except ValueError:
            valid, has_password = False, False
        if has_password:  # and the message must not repeat it
            found.append(
                "--prometheus-url must not contain a password; write USER:PASSWORD into a file and"
                " set --prometheus-token-file."
            )
        elif not valid or parts.query or parts.fragment:
            found.append(
                "--prometheus-url is not a valid address; write, for example,"
                " http://prometheus:9090."
            )
        if self.prometheus_token_file:
            try:
                credentials(self.prometheus_token_file)
            except PrometheusUnavailable as error:
                found.append(f"{error}.")
        if self.prometheus_ca_file:
            try:
                ssl.create_default_context(cafile=self.prometheus_ca_file)
            except OSError as error:
                found.append(
                    f"--prometheus-ca-file: {self.prometheus_ca_file} is not a usable certificate"
                    f" ({error.strerror or type(error).__name__})."
                )
        return found

    def _expressions(self) -> "Expressions":
        from services.stats.prometheus.presets import Expressions, Kind

        own = {kind: str(getattr(self, f"prometheus_{kind.value}")).strip() for kind in Kind}
        return Expressions(
            preset=self.prometheus_preset,
            prefix=self.prometheus_prefix,
            selector=self.prometheus_selector,
            label=self.prometheus_label,
            own={kind: text for kind, text in own.items() if text},
        )

    def resource_settings(self) -> "ResourceSettings | None":
        """The frozen settings; None if Prometheus is not configured."""
        if not self.prometheus_url:
            return None
        from services.stats.prometheus.client import PrometheusSettings
        from services.stats.prometheus.settings import ResourceSettings
        from services.stats.query.resources.prices import Base, Prices

        return ResourceSettings(
            prometheus=PrometheusSettings(
                url=self.prometheus_url,
                token_file=self.prometheus_token_file,
                ca_file=self.prometheus_ca_file,
                timeout_seconds=float(self.prometheus_timeout),
            ),
            expressions=self._expressions(),
            prices=Prices(
                memory_gb_hour=self.price_memory_gb_hour,
                cpu_hour=self.price_cpu_hour,
                base=Base(self.price_base),
                currency=self.currency.strip(),
            ),
        )
