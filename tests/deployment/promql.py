"""Checks PromQL expressions against existing metrics, labels and label values."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import promql_parser as promql
from prometheus_client.parser import text_string_to_metric_families

TARGET = frozenset({"instance", "job"})
"""The labels that Prometheus itself adds to what it scrapes."""

COUNTER_CALLS = ("rate", "increase", "irate")
COUNTER_ENDS = ("_total", "_bucket", "_count", "_sum")

Metrics = Mapping[str, Mapping[str, set[str]]]
"""The values of each label, by metric name."""


class InvalidQuery(Exception):
    """A query that cannot return the intended result."""


def metrics_of(text: str) -> Metrics:
    """Parse a scrape. A histogram's buckets, sum and count are separate metrics."""
    found: dict[str, dict[str, set[str]]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = found.setdefault(sample.name, {})
            for label, value in sample.labels.items():
                labels.setdefault(label, set()).add(value)
    return found


def with_values(expression: str, values: Mapping[str, str]) -> str:
    """Replace a dashboard's variables. :raises InvalidQuery: a variable is unknown"""

    def value(found: re.Match[str]) -> str:
        if found[1] not in values:
            raise InvalidQuery(f"unknown variable ${found[1]}")
        return values[found[1]]

    return re.sub(r"\$\{?(\w+)\}?", value, expression)


def labels_of(expression: str, metrics: Metrics) -> set[str]:
    """Return the labels of the result.

    :raises InvalidQuery: a metric, label or value does not exist
    :raises ValueError: the expression is not valid PromQL
    """
    return _labels(promql.parse(expression), metrics)


def _labels(node: Any, metrics: Metrics) -> set[str]:
    match node:
        case promql.NumberLiteral() | promql.StringLiteral():
            return set()
        case promql.ParenExpr() | promql.UnaryExpr() | promql.SubqueryExpr():
            return _labels(node.expr, metrics)
        case promql.VectorSelector():
            return _selected(node, metrics)
        case promql.MatrixSelector():
            return _selected(node.vector_selector, metrics)
        case promql.Call():
            return _called(node, metrics)
        case promql.AggregateExpr():
            return _aggregated(node, metrics)
        case promql.BinaryExpr():
            return _combined(node, metrics)
    raise InvalidQuery(f"unsupported expression: {type(node).__name__}")


def _selected(node: Any, metrics: Metrics) -> set[str]:
    if node.name not in metrics:
        raise InvalidQuery(f"there is no metric {node.name}")
    known = metrics[node.name]
    for matcher in node.matchers.matchers:
        if matcher.name in TARGET:
            continue
        if matcher.name not in known:
            raise InvalidQuery(f"{node.name} has no label {matcher.name}")
        _check_value(node.name, matcher, known[matcher.name])
    return set(known) | TARGET


def _check_value(metric: str, matcher: Any, values: set[str]) -> None:
    """Check that the values in a matcher exist."""
    by_pattern = matcher.op in (promql.MatchOp.Re, promql.MatchOp.NotRe)
    for wanted in matcher.value.split("|") if by_pattern else [matcher.value]:
        if not any(re.fullmatch(wanted, value) for value in values):
            raise InvalidQuery(
                f"{metric}: {matcher.name} is never {wanted!r}, but {sorted(values)}"
            )


def _called(node: Any, metrics: Metrics) -> set[str]:
    labels: set[str] = set()
    for argument in node.args:
        labels |= _labels(argument, metrics)
        if node.func.name in COUNTER_CALLS:
            name = argument.vector_selector.name
            if not name.endswith(COUNTER_ENDS):
                raise InvalidQuery(f"{node.func.name} of {name}, which is no counter")
    if node.func.name == "histogram_quantile":
        if "le" not in labels:
            raise InvalidQuery("histogram_quantile needs the label le")
        labels.discard("le")
    return labels


def _aggregated(node: Any, metrics: Metrics) -> set[str]:
    inner = _labels(node.expr, metrics)
    modifier = node.modifier
    named = set(modifier.labels) if modifier is not None else set()
    if named - inner:
        raise InvalidQuery(f"there is no label {sorted(named - inner)} to group by")
    if str(node.op) in ("topk", "bottomk"):
        return inner
    without = modifier is not None and modifier.type == promql.AggModifierType.Without
    return inner - named if without else named


def _combined(node: Any, metrics: Metrics) -> set[str]:
    left, right = _labels(node.lhs, metrics), _labels(node.rhs, metrics)
    matching = node.modifier.matching if node.modifier is not None else None
    for label in matching.labels if matching is not None else ():
        if label not in left & right:
            raise InvalidQuery(f"{label} is not on both sides")
    return left


def metric_names(node: Any) -> Iterator[str]:
    """Yield the name of each metric in a parsed expression."""
    found: list[str] = []

    def visit(one: Any) -> None:
        if isinstance(one, promql.VectorSelector):
            found.append(str(one.name))
        elif isinstance(one, promql.MatrixSelector):
            found.append(str(one.vector_selector.name))

    promql.walk(node, visit)
    yield from dict.fromkeys(found)
