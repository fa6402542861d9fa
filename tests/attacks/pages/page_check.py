"""What is wrong with a submission's page, found by a parser that reads HTML as browsers do."""

import re
from collections import Counter
from collections.abc import Collection, Iterator
from xml.etree.ElementTree import Element

import html5lib

_FORBIDDEN = {"iframe", "frame", "frameset", "object", "embed", "applet", "base", "form", "select"}
_FORBIDDEN |= {"math", "portal", "fencedframe", "marquee", "noscript", "template"}
_CONTROLS = {"input", "textarea", "button"}
_ADDRESSES = {
    "href",
    "src",
    "action",
    "formaction",
    "data",
    "poster",
    "background",
    "srcset",
    "ping",
}
#: How often the template uses these ids: nbgrader repeats what its parent template has already.
_IDS = {"notebook": 2, "notebook-container": 2, "statusmessage": 1}


def faults(
    page: str, *, nonce: str, graded: Collection[str], comments: Collection[str]
) -> list[str]:
    """Everything on the page that should not be there, or is missing.

    ``graded`` and ``comments`` are the ids of the cells with a score and with a comment. Only
    scripts with the nonce run.
    """
    root = html5lib.parse(page)
    found: list[str] = []
    parents = {child: parent for parent in root.iter() for child in parent}
    for element in root.iter():
        if not isinstance(element.tag, str):  # a comment
            continue
        found += _element_faults(element, nonce)
    found += _grading_faults(root, parents, graded, comments)
    return found


def _element_faults(element: Element, nonce: str) -> Iterator[str]:
    name = _name(element.tag)
    if name in _FORBIDDEN:
        yield f"element {name}"
    if name == "script" and element.get("nonce") != nonce:
        yield f"a script without the nonce: {element.text!r}"
    if name != "script" and "nonce" in element.attrib:
        yield f"{name} has a nonce"
    if name == "meta" and "http-equiv" in element.attrib:
        yield "a meta element that acts as a header"
    for key, value in element.attrib.items():
        attribute = _name(key).lower()
        if attribute.startswith("on") or attribute in {"srcdoc", "formaction", "autofocus"}:
            yield f"attribute {attribute} of {name}"
        if attribute in _ADDRESSES and (fault := _address_fault(name, value)):
            yield f"{attribute} of {name}: {fault} {value[:80]!r}"
        if attribute == "style" and re.search(
            r"position|url\s*\(|expression|z-index|@", value, re.I
        ):
            yield f"style of {name}: {value[:80]!r}"


def _address_fault(name: str, value: str) -> str:
    """Browsers ignore control characters at the start, and tabs and line breaks anywhere."""
    plain = re.sub(r"[\t\r\n]", "", value).lstrip("".join(map(chr, range(33)))).lower()
    scheme = re.match(r"([a-z][a-z0-9+.-]*):", plain)
    if scheme is None:
        return "another site" if re.match(r"[\\/]{2}", plain) and name != "a" else ""
    if scheme[1] == "data":
        return "" if name in {"img", "audio", "video", "source"} else "data"
    if scheme[1] in {"http", "https"}:
        return "" if name == "a" else "another site"
    return "" if scheme[1] == "mailto" else "scheme"


def _grading_faults(
    root: Element,
    parents: dict[Element, Element],
    graded: Collection[str],
    comments: Collection[str],
) -> Iterator[str]:
    ids = Counter(value for element in root.iter() if (value := element.get("id")))
    fields = (*graded, *(f"{name}-comment" for name in comments))
    for one, expected in (_IDS | dict.fromkeys(fields, 1)).items():
        if ids[one] != expected:
            yield f"{ids[one]} elements with the id {one}"
    controls = [element for element in root.iter() if _name(element.tag) in _CONTROLS]
    if len(controls) != 5 * len(graded) + len(comments):
        yield f"{len(controls)} fields and buttons"
    cells = [element for element in root.iter() if "nbgrader_cell" in _classes(element)]
    if len(cells) != len({*graded, *comments}):
        yield f"{len(cells)} graded cells"
    for element in controls:
        if not _inside(element, parents, "nbgrader_cell"):
            yield f"{_name(element.tag)} outside of a graded cell"
    for kind, names in (("score", graded), ("comment", comments)):
        shown = {element.get("id") for element in controls if kind in _classes(element)}
        if shown != {name if kind == "score" else f"{name}-comment" for name in names}:
            yield f"the {kind} fields are {sorted(map(str, shown))}"
    container = next(
        element for element in root.iter() if element.get("id") == "notebook-container"
    )
    for cell in cells:
        if not _inside(cell, parents, "container") or container not in _ancestors(cell, parents):
            yield "a graded cell outside of the notebook"


def _ancestors(element: Element, parents: dict[Element, Element]) -> Iterator[Element]:
    while (parent := parents.get(element)) is not None:
        yield parent
        element = parent


def _inside(element: Element, parents: dict[Element, Element], name: str) -> bool:
    return any(name in _classes(one) for one in _ancestors(element, parents))


def _classes(element: Element) -> list[str]:
    return (element.get("class") or "").split()


def _name(tag: object) -> str:
    return str(tag).rpartition("}")[2]
