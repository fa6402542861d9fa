"""What is applied beside the chart is such as the API server of Kubernetes takes."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.docker.kubernetes.pods import manifests

SCHEMA = json.loads((Path(__file__).parent / "k8s" / "schema.json").read_text("utf-8"))


def _problems(manifest: Any) -> list[str]:
    """What the API server would say, if it is one of the kinds that the schema has."""
    (name,) = (
        name
        for name, each in SCHEMA["$defs"].items()
        if each.get("properties", {}).get("kind", {}).get("enum") == [manifest["kind"]]
    )
    assert manifest["apiVersion"] in SCHEMA["$defs"][name]["properties"]["apiVersion"]["enum"]
    schema = {"$ref": f"#/$defs/{name}", "$defs": SCHEMA["$defs"]}
    return [each.message for each in jsonschema.Draft7Validator(schema).iter_errors(manifest)]


def test_the_manifests_fit_the_schema_of_kubernetes() -> None:
    """With no key that it does not know, and nothing left out that it asks for."""
    found = manifests()
    assert len(found) > 15
    assert [problem for each in found for problem in _problems(each)] == []


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
def test_the_schema_of_kubernetes_tells_a_mistake(way: tuple[Any, ...], value: Any) -> None:
    """The check above is one that can fail, wherever something is written."""
    wrong = next(each for each in manifests() if each["kind"] == "Deployment")
    place = wrong
    for each in way[:-1]:
        place = place[each]
    place[way[-1]] = value
    if value is None:
        del place[way[-1]]
    assert len(_problems(wrong)) == 1
    assert str(way[-1] if value != "one" else value) in _problems(wrong)[0]
