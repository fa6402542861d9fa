"""The PromQL expressions that measure users' servers. Pure.

No name of a user is ever part of an expression: it covers all servers, and Python decides whose
they are. The only texts that are inserted are settings, which ``problems`` checks.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from services.stats.query.resources.slugs import Spawned

USER = "user"
"""A label with this name, if the result has it, is the user's own name."""

LONGEST = 4000
"""Characters in an expression; it must fit into an address."""

_PREFIX = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?")
_MATCHER = r'[A-Za-z_][A-Za-z0-9_]*\s*(=~|!~|!=|=)\s*"([^"\\\n]|\\.)*"'
_SELECTOR = re.compile(rf"\s*{_MATCHER}(\s*,\s*{_MATCHER})*\s*")
_LABEL = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class Kind(StrEnum):
    """What an expression measures: bytes of memory, or cores."""

    MEMORY = "memory"
    CPU = "cpu"
    MEMORY_GUARANTEE = "memory_guarantee"
    CPU_GUARANTEE = "cpu_guarantee"


@dataclass(frozen=True)
class Preset:
    """Expressions with ``$names``, ``$selector`` and ``$window``.

    ``label`` is the label with the name of the pod, container or service.
    """

    spawned: Spawned
    label: str
    expressions: Mapping[Kind, str]


_POD = 'container="notebook",pod=~"$names"$selector'
_KUBERNETES = {
    Kind.MEMORY: f"max by (namespace, pod) (container_memory_working_set_bytes{{{_POD}}})",
    Kind.CPU: "max by (namespace, pod)"
    f" (rate(container_cpu_usage_seconds_total{{{_POD}}}[$window]))",
    Kind.MEMORY_GUARANTEE: "max by (namespace, pod)"
    f' (kube_pod_container_resource_requests{{resource="memory",{_POD}}})',
    Kind.CPU_GUARANTEE: "max by (namespace, pod)"
    f' (kube_pod_container_resource_requests{{resource="cpu",{_POD}}})',
}


def _with_users(expression: str) -> str:
    """The same with the user's name, which KubeSpawner writes into an annotation of the pod."""
    label = "annotation_hub_jupyter_org_username"
    owners = f'max by (namespace, pod, {label}) (kube_pod_annotations{{pod=~"$names"$selector}})'
    joined = f"{expression} * on (namespace, pod) group_left ({label}) {owners}"
    return f'label_replace({joined}, "{USER}", "$1", "{label}", "(.*)")'


def _cadvisor(label: str) -> dict[Kind, str]:
    """The expressions for containers that cAdvisor watches outside of Kubernetes."""
    which = f'{label}=~"$names"$selector'
    return {
        Kind.MEMORY: f"max by ({label}) (container_memory_working_set_bytes{{{which}}})",
        Kind.CPU: f"max by ({label})"
        f" (sum without (cpu) (rate(container_cpu_usage_seconds_total{{{which}}}[$window])))",
        # 0: no reservation
        Kind.MEMORY_GUARANTEE: f"max by ({label})"
        f" (container_spec_memory_reservation_limit_bytes{{{which}}} > 0)",
    }


_SERVICE = "container_label_com_docker_swarm_service_name"

PRESETS: Mapping[str, Preset] = {
    "kubernetes": Preset(Spawned.PODS, "pod", _KUBERNETES),
    "kubernetes-annotations": Preset(
        Spawned.PODS, "pod", {kind: _with_users(one) for kind, one in _KUBERNETES.items()}
    ),
    "docker": Preset(Spawned.CONTAINERS, "name", _cadvisor("name")),
    "docker-legacy": Preset(Spawned.LEGACY_CONTAINERS, "name", _cadvisor("name")),
    "swarm": Preset(Spawned.SERVICES, _SERVICE, _cadvisor(_SERVICE)),
}


@dataclass(frozen=True)
class Expressions:
    """Which expressions to use, and how to read their results."""

    preset: str = "kubernetes"
    prefix: str = "jupyter"
    selector: str = ""
    """Label matchers, added to each preset's: ``namespace="jhub"``."""
    label: str = ""
    """Instead of the preset's."""
    own: Mapping[Kind, str] = field(default_factory=dict)
    """Expressions instead of the preset's."""

    @property
    def spawned(self) -> Spawned:
        return PRESETS[self.preset].spawned

    @property
    def name_label(self) -> str:
        """The label with the name of the pod, container or service."""
        return self.label or PRESETS[self.preset].label

    @property
    def kinds(self) -> list[Kind]:
        """What can be measured."""
        known = PRESETS[self.preset].expressions
        return [kind for kind in Kind if self.own.get(kind) or kind in known]

    def of(self, kind: Kind, window: int) -> str:
        """The expression. ``window`` is in seconds."""
        text = self.own.get(kind) or PRESETS[self.preset].expressions[kind]
        names = self.prefix.replace(".", "[.]") + "-.*"
        selector = "," + self.selector.strip() if self.selector.strip() else ""
        # Not the label_replace's $1, and selector last: it may contain a $.
        for name, value in (
            ("$window", f"{window}s"),
            ("$names", names),
            ("$selector", selector),
        ):
            text = text.replace(name, value)
        return text

    def problems(self) -> Iterator[str]:
        """What is wrong with the settings, each with what to write instead."""
        if not _PREFIX.fullmatch(self.prefix):
            yield (
                f"--prometheus-prefix: {self.prefix!r} cannot begin a container's name; write what"
                " precedes the user, without the dash, such as jupyter."
            )
        if self.selector.strip() and not _SELECTOR.fullmatch(self.selector):
            yield (
                "--prometheus-selector: write label matchers, separated by commas, such as"
                ' namespace="jupyterhub".'
            )
        if self.label and not _LABEL.fullmatch(self.label):
            yield f"--prometheus-label: {self.label!r} is not a label; write one such as pod."
        for kind, text in self.own.items():
            option = f"--prometheus-{kind.replace('_', '-')}"
            if len(text) > LONGEST:
                yield f"{option}: the expression is limited to {LONGEST} characters."
            if kind is Kind.CPU and "_total" in text and "$window" not in text:
                yield (
                    f"{option}: the expression must return cores in use; write"
                    " rate(METRIC[$window]) for a counter of seconds."
                )
