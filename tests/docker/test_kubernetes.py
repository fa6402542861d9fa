"""The values for Zero to JupyterHub fit the chart, and say of our services what declare says."""

import copy
import json
import tomllib
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import jsonschema
import pytest
import yaml  # type: ignore[import-untyped]
from traitlets.config import Config

from common.config import ServiceApp
from common.flags import split
from services.cull.app import IdleCuller
from services.declare import declare
from services.formgrader_proxy.app import FormgraderProxy
from services.formgrader_proxy.courses import load_courses
from services.stats.app import StatsApp

HERE = Path(__file__).parent
KUBERNETES = HERE.parents[1] / "docker" / "kubernetes"
NAMES = ("cull", "stats", "formgrader")
PROGRAMS: dict[str, tuple[str, type[ServiceApp]]] = {
    "cull": ("services.cull", IdleCuller),
    "stats": ("services.stats", StatsApp),
    "formgrader": ("services.formgrader_proxy", FormgraderProxy),
}


@pytest.fixture(scope="module")
def values() -> Any:
    """The values file."""
    return yaml.safe_load((KUBERNETES / "values.yaml").read_text("utf-8"))


@pytest.fixture(scope="module")
def manifests() -> list[Any]:
    """What is to be applied beside the chart."""
    return list(yaml.safe_load_all((KUBERNETES / "services.yaml").read_text("utf-8")))


def _chart_problems(values: Any) -> list[str]:
    schema = json.loads((HERE / "z2jh" / "values.schema.json").read_text("utf-8"))
    # What is required is in the chart's own values, into which Helm merges these.
    return [
        each.message
        for each in jsonschema.Draft7Validator(schema).iter_errors(values)
        if each.validator != "required"
    ]


def test_the_values_fit_the_charts_schema(values: Any) -> None:
    """Helm would take them: it checks by the same schema."""
    assert _chart_problems(values) == []


@pytest.mark.parametrize("path", ["hub", "hub.networkPolicy", "singleuser.memory", "proxy.chp"])
def test_the_schema_tells_a_misspelt_key(values: Any, path: str) -> None:
    """The check above is one that can fail, wherever something is written."""
    wrong = copy.deepcopy(values)
    place = wrong
    for key in path.split("."):
        place = place.setdefault(key, {})
    place["netwrokPolicy"] = {}
    assert any("netwrokPolicy" in problem for problem in _chart_problems(wrong))


def test_services_and_roles_are_those_that_declare_gives(values: Any) -> None:
    """No scope more, none less, and the same way of signing in."""
    hub = values["hub"]
    c = Config()
    services = hub["services"]
    elsewhere = {
        name: {"url": services[name]["url"], "api_token": "made by the chart"} for name in NAMES
    }
    declare(
        c,
        cull=elsewhere["cull"],
        stats=elsewhere["stats"],
        formgrader_proxy=elsewhere["formgrader"],
    )
    for declared in c.JupyterHub.services:
        name = declared.pop("name")
        del declared["api_token"]
        assert services[name] == declared, name
    assert len(c.JupyterHub.services) == len(services)
    written = [{"name": name, **role} for name, role in hub["loadRoles"].items()]
    assert _by_name(written) == _by_name(c.JupyterHub.load_roles)
    assert hub["config"]["JupyterHub"]["custom_scopes"] == dict(c.JupyterHub.custom_scopes)


def _by_name(roles: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        role["name"]: {
            key: sorted(value) if isinstance(value, list) else value for key, value in role.items()
        }
        for role in roles
    }


def _of(manifests: list[Any], kind: str, name: str) -> Any:
    (found,) = (
        each for each in manifests if each["kind"] == kind and each["metadata"]["name"] == name
    )
    return found


@pytest.mark.parametrize("name", NAMES)
def test_each_service_runs_where_the_hub_looks_for_it(
    values: Any, manifests: list[Any], name: str
) -> None:
    """Address, port, labels and policies agree, and the program knows all its flags."""
    url = urlsplit(values["hub"]["services"][name]["url"])
    service = _of(manifests, "Service", str(url.hostname))
    pod = _of(manifests, "Deployment", name)["spec"]["template"]
    (container,) = pod["spec"]["containers"]
    assert service["spec"]["ports"][0]["port"] == url.port
    assert container["ports"][0]["containerPort"] == url.port
    assert service["spec"]["selector"].items() <= pod["metadata"]["labels"].items()
    assert pod["metadata"]["labels"]["hub.jupyter.org/network-access-hub"] == "true"

    python, dash_m, module, *flags = container["command"]
    expected, program = PROGRAMS[name]
    assert (python, dash_m, module) == ("python", "-m", expected)
    assert split(flags, program.options()).problems == []
    assert f"--port={url.port}" in flags
    assert container["startupProbe"]["httpGet"]["path"] == f"/services/{name}/health"

    (policy,) = (each for each in manifests if each["kind"] == "NetworkPolicy")
    assert policy["spec"]["podSelector"]["matchLabels"].items() <= pod["metadata"]["labels"].items()
    (egress,) = values["proxy"]["chp"]["networkPolicy"]["egress"]
    assert {"port": url.port} in egress["ports"]
    target = egress["to"][0]["podSelector"]["matchLabels"]
    assert target.items() <= pod["metadata"]["labels"].items()


@pytest.mark.parametrize("name", NAMES)
def test_each_service_holds_its_own_token_and_few_rights(manifests: list[Any], name: str) -> None:
    """The token comes from the chart's secret as a file; nothing is written but its volume."""
    spec = _of(manifests, "Deployment", name)["spec"]["template"]["spec"]
    (container,) = spec["containers"]
    (token,) = (each["secret"] for each in spec["volumes"] if each["name"] == "token")
    assert token["secretName"] == "hub"
    assert [item["key"] for item in token["items"]] == [f"hub.services.{name}.apiToken"]
    assert not any("TOKEN" in each["name"] for each in container["env"])
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert container["securityContext"]["allowPrivilegeEscalation"] is False
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["automountServiceAccountToken"] is False
    mounted = {each["name"] for each in container["volumeMounts"]}
    assert mounted == {each["name"] for each in spec["volumes"]}
    (claim,) = (
        each["persistentVolumeClaim"]["claimName"]
        for each in spec["volumes"]
        if "persistentVolumeClaim" in each
    )
    assert _of(manifests, "PersistentVolumeClaim", claim)


def test_the_courses_are_such_as_the_service_takes(manifests: list[Any]) -> None:
    """The example in the ConfigMap has no mistake."""
    text = _of(manifests, "ConfigMap", "classroom-courses")["data"]["courses.toml"]
    assert tomllib.loads(text)["course"]
    assert load_courses(text)
