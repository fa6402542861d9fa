"""Makes the source of nbgrader's and nbconvert's templates safe, before any value is inserted.

- Every ``<script`` gets the response's nonce. Values are inserted afterwards, so none of them,
  whatever it contains, can become a script with a nonce.
- In a script, a string literal with a value becomes one JSON literal: ``"{{ x }}/y"`` becomes
  ``{{ ((x) ~ "/y") | string | tojson }}``.
- ``onclick`` attributes, which the policy forbids, become names of actions for ``formgrader.js``.
- A value that is an attribute without quotes gets quotes.

A template with anything else that would be unsafe is refused, so that a new version of nbgrader
cannot silently reopen a hole.
"""

import json
import re
from enum import Enum

#: What nbgrader's templates do on a click, and the name of the action in ``formgrader.js``.
ACTIONS = {
    "toggleAllNames()": "toggle-all-names",
    "createAssignmentModal();": "create-assignment",
    "createStudentModal();": "create-student",
    "toggle_name(true);": "show-name",
    "toggle_name(false);": "hide-name",
}

_COMMENT = re.compile(r"\{#.*?#\}|<!--.*?-->", re.DOTALL)
_SCRIPT = re.compile(
    r"<script\b((?:\{\{.*?\}\}|[^>{]|\{(?!\{))*)>(.*?)</script\s*>", re.DOTALL | re.IGNORECASE
)
_EVENT = re.compile(r"""(?<=\s)on[a-z]+\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s>]+))""", re.IGNORECASE)
_UNQUOTED = re.compile(r"=\s*(\{\{.*?\}\})", re.DOTALL)
_VALUE = re.compile(r"\{\{-?\s*(.*?)\s*-?\}\}", re.DOTALL)
_LITERAL = re.compile(
    r'"(?:\{\{.*?\}\}|[^"\\\n{]|\{(?!\{))*"' + r"|'(?:\{\{.*?\}\}|[^'\\\n{]|\{(?!\{))*'",
    re.DOTALL,
)
_MARKS = (
    (re.compile(r"<head\b[^>]*>", re.IGNORECASE), r"\g<0>{{ classroom_head_start() }}"),
    (re.compile(r"</head\s*>", re.IGNORECASE), r"{{ classroom_head_end() }}\g<0>"),
    (re.compile(r"<body\b[^>]*>", re.IGNORECASE), r"\g<0>{{ classroom_body_start() }}"),
)


class Origin(Enum):
    """Where a template comes from, which decides what happens to its scripts.

    Those of nbgrader make up its pages. Those of nbconvert run a notebook's JavaScript, widgets
    and diagrams, so they are left out.
    """

    NBGRADER = "nbgrader"
    NBCONVERT = "nbconvert"


class TemplateRefused(Exception):
    """A template contains something that is not known to be safe. The text says what."""


def safe_source(source: str, origin: Origin) -> str:
    """The source of a template with nonces, escaped values and without event attributes.

    :raises TemplateRefused: it contains a construct that is not known to be safe
    """
    parts: list[str] = []
    end = 0
    source = _COMMENT.sub("", source)
    for script in _SCRIPT.finditer(source):
        parts.append(_markup(source[end : script.start()], origin))
        if origin is Origin.NBGRADER:
            parts.append(_script(script[1], script[2]))
        end = script.end()
    parts.append(_markup(source[end:], origin))
    return "".join(parts)


def _script(attributes: str, body: str) -> str:
    body = _LITERAL.sub(_json_literal, body)
    rest = _JSON.sub("", body)
    if "{{" in rest:
        raise TemplateRefused("a value in a script is not inside a string literal")
    # Where these are, a quote does not always begin or end a string.
    if rest != body and any(part in rest for part in ("`", "\\", "/*")):
        raise TemplateRefused("a script with values has a template literal, escape or comment")
    return f'<script nonce="{{{{ csp_nonce() }}}}"{_attributes(attributes)}>{body}</script>'


_JSON = re.compile(r"\{\{ \(.*?\) \| string \| tojson \}\}", re.DOTALL)


def _json_literal(literal: re.Match[str]) -> str:
    text = literal[0]
    if "{{" not in text:
        return text
    terms: list[str] = []
    end = 1
    for value in _VALUE.finditer(text):
        terms += [_constant(text[end : value.start()]), f"({value[1]})"]
        end = value.end()
    terms.append(_constant(text[end:-1]))
    joined = " ~ ".join(filter(None, terms))
    return f"{{{{ ({joined}) | string | tojson }}}}"


def _constant(text: str) -> str:
    return json.dumps(text) if text else ""


def _markup(markup: str, origin: Origin) -> str:
    if re.search(r"<script\b|</script\b", markup, re.IGNORECASE):
        raise TemplateRefused("a script element is not closed, or not opened")
    if re.search(r"javascript\s*:", markup, re.IGNORECASE):
        raise TemplateRefused("an address contains a script")
    if origin is Origin.NBGRADER:  # of nbconvert's pages only the parts inside the body are used
        for pattern, replacement in _MARKS:
            markup = pattern.sub(replacement, markup)
    return _attributes(markup)


def _attributes(markup: str) -> str:
    return _EVENT.sub(_action, _UNQUOTED.sub(r'="\1"', markup))


def _action(event: re.Match[str]) -> str:
    code = next(group for group in event.groups() if group is not None)
    name = event[0].partition("=")[0].strip().lower()
    if name != "onclick" or code.strip() not in ACTIONS:
        raise TemplateRefused(f"unknown event attribute {name}={code!r}")
    return f'data-formgrader-action="{ACTIONS[code.strip()]}"'
