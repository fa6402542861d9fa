"""Templates are made safe as they are loaded, or refused."""

import json
import re
from pathlib import Path

import pytest
from jinja2 import DictLoader, Environment

from services.formgrader_proxy.rendering.template_source import (
    ACTIONS,
    Origin,
    TemplateRefused,
    safe_source,
)

NONCE = '<script nonce="{{ csp_nonce() }}"'
#: A value that ends every context in which a template could insert it without escaping.
HOSTILE = """"';</script><script>alert(1)</script><!--${alert(1)}`\\\n\u2028&"""


def safe(source: str) -> str:
    return safe_source(source, Origin.NBGRADER)


def rendered(source: str, **values: object) -> str:
    environment = Environment(autoescape=True, loader=DictLoader({"page": safe(source)}))
    environment.globals.update(csp_nonce=lambda: "NONCE")
    return environment.get_template("page").render(**values)


@pytest.mark.parametrize(
    "tag",
    ["<script>", "<script src='x.js'>", '<SCRIPT type="text/javascript">', "<script\n src=x>"],
)
def test_every_script_gets_the_nonce(tag: str) -> None:
    """Before its other attributes."""
    assert safe(f"<p>{tag}f()</script></p>").count(NONCE) == 1


def test_nbconverts_scripts_are_left_out() -> None:
    """They run what a notebook contains."""
    source = "a<script>{{ output.data['application/javascript'] }}</script>b<script src=x></script>"
    assert safe_source(source, Origin.NBCONVERT) == "ab"


@pytest.mark.parametrize(
    ("literal", "expected"),
    [
        ('"{{ x }}"', HOSTILE),
        ("'{{ x }}'", HOSTILE),
        ('"{{ x }}/formgrader"', HOSTILE + "/formgrader"),
        ('"/a/{{ x }}/b/{{ x }}"', f"/a/{HOSTILE}/b/{HOSTILE}"),
        ('"{{ x | upper }}"', HOSTILE.upper()),
        ('"{{- x -}}"', HOSTILE),
        ('"{{ missing }}"', ""),
        ('"{{ 7 }}"', "7"),
    ],
)
def test_a_value_in_a_script_becomes_json(literal: str, expected: str) -> None:
    """One string, whatever it contains; it cannot end the string or the script."""
    page = rendered(f"<script>var a = {literal};</script>", x=HOSTILE)
    assert page.count("<script") == page.count("</script") == 1
    found = re.fullmatch(r'<script nonce="NONCE">var a = (.*);</script>', page)
    assert found is not None
    assert json.loads(found[1]) == expected


@pytest.mark.parametrize(
    "source",
    [
        "<script>var a = {{ x }};</script>",
        "<script>// {{ x }}\n</script>",
        "<script>`${a}{{ x }}`</script>",
        "<script>var a = `{{ x }}`;</script>",
        'x<script>var a = `y`, b = "{{ x }}";</script>',
        '<script>var a = "b\\"{{ x }}";</script>',
        "<script>/* it's {{ x }}' */</script>",
        "<script>a()",
        "a()</script>",
        '<a onclick="steal({{ x }})">',
        '<a onmouseover="toggleAllNames()">',
        "<a ONCLICK='other()'>",
        "<img src=x onerror=alert(1)>",
        '<a href="javascript:f()">',
        "<a href='JavaScript :f()'>",
    ],
)
def test_a_template_that_is_not_known_to_be_safe_is_refused(source: str) -> None:
    """A new version of nbgrader cannot reopen a hole unnoticed."""
    with pytest.raises(TemplateRefused):
        safe(source)


@pytest.mark.parametrize("code", ACTIONS)
def test_event_attributes_become_actions(code: str) -> None:
    """formgrader.js runs them, because the policy forbids inline handlers."""
    changed = safe(f'<a href="#" onClick="{code}">x</a>')
    assert changed == f'<a href="#" data-formgrader-action="{ACTIONS[code]}">x</a>'


def test_every_action_is_known_to_the_script() -> None:
    """None of the buttons is without effect."""
    import services.formgrader_proxy.rendering as package

    script = (Path(package.__file__).parent / "static" / "formgrader.js").read_text("utf-8")
    assert set(ACTIONS.values()) == set(re.findall(r'^    "([a-z-]+)": \(\) =>', script, re.M))


def test_unquoted_values_get_quotes() -> None:
    """A value with a space cannot add an attribute."""
    page = rendered("<img width={{ w }}\n>", w="1 onload=alert(1)")
    assert page == '<img width="1 onload=alert(1)"\n>'


def test_comments_are_removed() -> None:
    """They may contain anything, and browsers do not agree where some of them end."""
    assert safe("a<!-- <script>{{ x }} -->b{# </script> #}c") == "abc"


def test_a_page_gets_its_own_parts() -> None:
    """A policy or nothing at the start, a script before the end of the head, and the notice."""
    found = safe("<html><head><title>x</title></head><body class='a'>y</body></html>")
    assert found == (
        "<html><head>{{ classroom_head_start() }}<title>x</title>{{ classroom_head_end() }}</head>"
        "<body class='a'>{{ classroom_body_start() }}y</body></html>"
    )
