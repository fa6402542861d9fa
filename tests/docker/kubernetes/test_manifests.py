"""The Zero to JupyterHub values and the manifests are valid and consistent.

The values match the chart's schema and the output of declare. test_real_hub runs the containers.
"""

import copy
import os
import tomllib
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import jsonschema
import pytest
import yaml  # type: ignore[import-untyped]
from traitlets.config import Config

from common.config.application import ServiceApp
from common.config.flags import split
from services.cull.app import IdleCuller
from services.declare import declare
from services.formgrader_proxy.app import FormgraderProxy
from services.formgrader_proxy.courses_file.file import load_courses
from services.stats.app import StatsApp
from tests.docker.kubernetes import pods

KUBERNETES = pods.KUBERNETES
NAMES = ("cull", "stats", "formgrader")
COURSE = "formgrader-course101"
#: The programs that the image's entry point (start.py) starts by name, on port 8000.
PROGRAMS: dict[str, type[ServiceApp]] = {
    "cull": IdleCuller,
    "stats": StatsApp,
    "formgrader": FormgraderProxy,
}
PORT = 8000


@pytest.fixture(scope="module")
def values() -> Any:
    """The content of values.yaml."""
    return yaml.safe_load((KUBERNETES / "values.yaml").read_text("utf-8"))


@pytest.fixture(scope="module")
def manifests() -> list[Any]:
    """The manifests that are applied in addition to the chart."""
    return pods.manifests()


@pytest.fixture(scope="module")
def chart_schema() -> Any:
    """The schema of the chart's values, from ``jupyterhub/values.schema.yaml`` in the chart."""
    path = os.environ.get("Z2JH_SCHEMA")
    if not path:
        pytest.skip("Z2JH_SCHEMA does not name the chart's values.schema.yaml")
    return yaml.safe_load(Path(path).read_text("utf-8"))


def _chart_problems(values: Any, schema: Any) -> list[str]:
    # Helm merges these values into the chart's defaults, which have all required keys.
    return [
        each.message
        for each in jsonschema.Draft7Validator(schema).iter_errors(values)
        if each.validator != "required"
    ]


@pytest.mark.parametrize("name", ["values.yaml", "exchange-values.yaml"])
def test_values_match_the_chart_schema(name: str, chart_schema: Any) -> None:
    """Helm validates the values against the same schema."""
    values = yaml.safe_load((KUBERNETES / name).read_text("utf-8"))
    assert _chart_problems(values, chart_schema) == []


@pytest.mark.parametrize("path", ["hub", "hub.networkPolicy", "singleuser.memory", "proxy.chp"])
def test_a_misspelled_key_is_rejected(values: Any, chart_schema: Any, path: str) -> None:
    """The schema rejects an unknown key at any level."""
    wrong = copy.deepcopy(values)
    place = wrong
    for key in path.split("."):
        place = place.setdefault(key, {})
    place["netwrokPolicy"] = {}
    assert any("netwrokPolicy" in problem for problem in _chart_problems(wrong, chart_schema))


def test_services_and_roles_match_declare(values: Any) -> None:
    """The services have exactly the same scopes and sign-in settings."""
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
def test_each_service_runs_at_the_address_configured_in_the_hub(
    values: Any, manifests: list[Any], name: str
) -> None:
    """Addresses, ports, labels and policies are consistent, and all flags are valid."""
    url = urlsplit(values["hub"]["services"][name]["url"])
    pod = _behind(manifests, str(url.hostname))
    container = _container(pod)
    assert url.port == PORT
    assert pod["metadata"]["labels"]["hub.jupyter.org/network-access-hub"] == "true"

    assert "command" not in container, "the image's own says who may open the pages"
    started, *flags = container["args"]
    assert started == name
    assert split(flags, PROGRAMS[name].options()).problems == []
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert container[probe]["httpGet"]["path"] == f"/services/{name}/health"

    (egress,) = values["proxy"]["chp"]["networkPolicy"]["egress"]
    assert egress["ports"] == [{"port": PORT}]
    target = egress["to"][0]["podSelector"]["matchLabels"]
    assert target.items() <= pod["metadata"]["labels"].items()


@pytest.mark.parametrize("name", [*NAMES, COURSE])
def test_each_pod_has_minimal_privileges_and_limits(manifests: list[Any], name: str) -> None:
    """Each pod meets the restricted Pod Security Standard and has a read-only root file system,
    memory and CPU limits, and probes.
    """
    spec = _of(manifests, "Deployment", name)["spec"]["template"]["spec"]
    container = _container({"spec": spec})
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert container["securityContext"]["allowPrivilegeEscalation"] is False
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["runAsUser"] > 0
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert spec["automountServiceAccountToken"] is False
    assert spec["enableServiceLinks"] is False
    assert set(container["resources"]["limits"]) == {"memory", "cpu"}
    assert set(container["resources"]["requests"]) == {"memory", "cpu"}
    assert {"startupProbe", "readinessProbe", "livenessProbe"} <= set(container)
    mounted = {each["name"] for each in container["volumeMounts"]}
    assert mounted == {each["name"] for each in spec["volumes"]}
    for each in spec["volumes"]:
        if "persistentVolumeClaim" in each:
            claim = each["persistentVolumeClaim"]["claimName"]
            assert _of(manifests, "PersistentVolumeClaim", claim)


@pytest.mark.parametrize("name", [*NAMES, COURSE])
def test_secrets_are_referenced_and_mounted_as_files(manifests: list[Any], name: str) -> None:
    """Each service mounts only its own token, without world access or environment variables."""
    spec = _of(manifests, "Deployment", name)["spec"]["template"]["spec"]
    container = _container({"spec": spec})
    (token,) = (each["secret"] for each in spec["volumes"] if each["name"] == "token")
    (item,) = token["items"]
    if name == COURSE:
        expected = "classroom-formgraders", {"key": "course101", "path": "grading_token"}
    else:
        key = f"hub.services.{name}.apiToken"
        expected = "hub", {"key": key, "path": f"{name}_token"}
    assert (token["secretName"], item) == expected
    assert token["defaultMode"] == 0o440
    where = next(each["mountPath"] for each in container["volumeMounts"] if each["name"] == "token")
    assert {"name": "SECRETS", "value": where} in container["env"]
    assert not any("TOKEN" in each["name"] for each in container["env"])
    assert not any(each["kind"] == "Secret" for each in manifests)


def test_only_the_formgrader_service_can_reach_a_course_and_a_course_has_no_egress(
    manifests: list[Any],
) -> None:
    """A course runs students' code, so a single network policy isolates it."""
    service = _of(manifests, "Deployment", "formgrader")["spec"]["template"]["metadata"]["labels"]
    course = _of(manifests, "Deployment", COURSE)["spec"]["template"]["metadata"]["labels"]
    student = {"app.kubernetes.io/name": "jupyterhub", "component": "singleuser-server"}
    policies = [each["spec"] for each in manifests if each["kind"] == "NetworkPolicy"]
    (policy,) = (each for each in policies if _selects(each, course))
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    assert policy["egress"] == []
    (ingress,) = policy["ingress"]
    (source,) = ingress["from"]
    assert _selects(source, service)
    assert not _selects(source, course)
    assert not _selects(source, student)
    assert "hub.jupyter.org/network-access-hub" not in course

    (ours,) = (each for each in policies if _selects(each, service))
    assert ours["policyTypes"] == ["Ingress", "Egress"]
    outwards = [to for rule in ours["egress"] for to in rule.get("to", ())]
    assert any(_selects(to, course) for to in outwards)
    sources = [source for rule in ours["ingress"] for source in rule["from"]]
    assert not any(_selects(source, each) for source in sources for each in (course, student))


@pytest.mark.attack("deploy-token-of-another-course", "deploy-network-of-another-course")
def test_a_second_course_shares_only_the_exchange(manifests: list[Any]) -> None:
    """Made with the command in course.yaml, it has its own claim, token and address."""
    text = (KUBERNETES / "course.yaml").read_text("utf-8")
    assert "sed s/course101/course102/g course.yaml" in text
    other = list(yaml.safe_load_all(text.replace("course101", "course102")))
    first = _of(manifests, "Deployment", COURSE)["spec"]["template"]
    second = _of(other, "Deployment", "formgrader-course102")["spec"]["template"]
    volumes = [
        {each["name"]: each for each in pod["spec"]["volumes"] if "emptyDir" not in each}
        for pod in (first, second)
    ]
    assert {name for name in volumes[0] if volumes[0][name] == volumes[1][name]} == {"nbgrader"}
    (item,) = volumes[1]["token"]["secret"]["items"]
    assert item == {"key": "course102", "path": "grading_token"}
    policies = [each["spec"] for each in other if each["kind"] == "NetworkPolicy"]
    (policy,) = (each for each in policies if _selects(each, second["metadata"]["labels"]))
    sources = [source for rule in policy["ingress"] for source in rule["from"]]
    assert not any(_selects(source, first["metadata"]["labels"]) for source in sources)
    assert _behind(other, "formgrader-course102") == second


def test_student_servers_and_the_formgrader_share_the_exchange(manifests: list[Any]) -> None:
    """Both mount the same claim at the same path."""
    values = yaml.safe_load((KUBERNETES / "exchange-values.yaml").read_text("utf-8"))
    storage = values["singleuser"]["storage"]
    spec = _of(manifests, "Deployment", COURSE)["spec"]["template"]["spec"]
    (volume,) = storage["extraVolumes"]
    assert volume in spec["volumes"]
    (mount,) = storage["extraVolumeMounts"]
    assert mount in _container({"spec": spec})["volumeMounts"]


def test_the_example_courses_are_valid(manifests: list[Any]) -> None:
    """The example in the ConfigMap is valid and refers to the formgrader in course.yaml."""
    text = _of(manifests, "ConfigMap", "classroom-courses")["data"]["courses.toml"]
    (course,) = tomllib.loads(text)["course"]
    assert load_courses(text)
    url = urlsplit(course["url"])
    pod = _behind(manifests, str(url.hostname))
    assert url.port == PORT
    environment = {each["name"]: each["value"] for each in _container(pod)["env"]}
    assert environment["COURSE_ID"] == course["id"]
    assert environment["BASE_URL"] == f"/services/formgrader/{course['id']}/"


def _behind(manifests: list[Any], service: str) -> Any:
    """Return the pod that a Service selects; its container must listen on the target port."""
    found = _of(manifests, "Service", service)["spec"]
    (pod,) = (
        each["spec"]["template"]
        for each in manifests
        if each["kind"] == "Deployment"
        and found["selector"].items() <= each["spec"]["template"]["metadata"]["labels"].items()
    )
    (port,) = found["ports"]
    assert port["port"] == PORT
    assert {"name": port["targetPort"], "containerPort": PORT} in _container(pod)["ports"]
    return pod


def _container(pod: Any) -> Any:
    (container,) = pod["spec"]["containers"]
    return container


def _selects(selector: Any, labels: dict[str, str]) -> bool:
    wanted: dict[str, str] = selector["podSelector"]["matchLabels"]
    return wanted.items() <= labels.items()
