"""The manifests beside the chart are valid for the API server of Kubernetes.

The schemas are those of the package kubernetes-validate, made from Kubernetes' own OpenAPI
definition; in their strict form they know no additional keys, as ``kubectl apply`` does.
"""

from typing import Any

import kubernetes_validate
import pytest

from tests.docker.kubernetes.pods import manifests

#: The oldest release that the manifests are meant for, and the newest that the package knows.
VERSIONS = ("1.33", kubernetes_validate.latest_version())


def _problem(manifest: Any, version: str) -> str | None:
    """The API server's objection to a manifest, if it has one."""
    try:
        kubernetes_validate.validate(manifest, version, strict=True)
    except kubernetes_validate.ValidationError as error:
        return str(error.message)
    return None


@pytest.mark.parametrize("version", VERSIONS)
def test_the_manifests_are_valid(version: str) -> None:
    """They have no unknown key, and no required one is missing."""
    found = manifests()
    assert len(found) > 15
    assert [_problem(manifest, version) for manifest in found] == [None] * len(found)


@pytest.mark.parametrize(
    ("way", "value"),
    [
        (("metadata", "lables"), {}),
        (("spec", "replica"), 1),
        (("spec", "replicas"), "one"),
        (("spec", "selector"), None),
        (("spec", "template", "spec", "containers", 0, "resource"), {}),
        (("spec", "template", "spec", "containers", 0, "env", 0, "vlaue"), "x"),
        (
            ("spec", "template", "spec", "containers", 0, "securityContext", "readOnlyRootFS"),
            True,
        ),
    ],
)
def test_a_mistake_is_found(way: tuple[Any, ...], value: Any) -> None:
    """The check above can fail, wherever the mistake is."""
    wrong = next(manifest for manifest in manifests() if manifest["kind"] == "Deployment")
    place = wrong
    for key in way[:-1]:
        place = place[key]
    place[way[-1]] = value
    if value is None:
        del place[way[-1]]
    problem = _problem(wrong, VERSIONS[0])
    assert problem is not None
    assert str(way[-1] if value != "one" else value) in problem
