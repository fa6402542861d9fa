"""Sanitizes the HTML that a notebook's cells and outputs become.

Everything here was written by a student. What remains can be read, but neither runs nor pretends
to be a part of the page: no scripts, forms, frames or style sheets, no addresses besides pictures
of the submission and links, no ids and classes that nbgrader's scripts and styles look for.
:mod:`nh3` does the work.
"""

import re
from urllib.parse import unquote

import nh3
from markupsafe import Markup
from pygments.token import STANDARD_TYPES

#: Before the ids of a notebook, so that none is the id of a score or a comment.
ID_PREFIX = "student-"
#: Longer HTML is shown as text, as is HTML with deeper nesting, which takes minutes to parse.
MOST_CHARACTERS = 2_000_000
DEEPEST = 400

_TEXT = (
    "a abbr b bdi bdo blockquote br caption center cite code col colgroup dd del details dfn div"
    " dl dt em figcaption figure h1 h2 h3 h4 h5 h6 hr i img ins kbd li mark ol p pre q rp rt ruby"
    " s samp small span strike strong sub summary sup table tbody td tfoot th thead time tr tt u"
    " ul var wbr"
)
_TAGS = {*_TEXT.split(), "audio", "source", "video"}
_ATTRIBUTES = {
    "*": {"dir", "id", "lang", "style", "title"},
    "a": {"href"},
    "audio": {"controls", "loop", "muted", "src"},
    "col": {"span"},
    "details": {"open"},
    "img": {"alt", "height", "src", "width"},
    "li": {"value"},
    "ol": {"reversed", "start", "type"},
    "source": {"src", "type"},
    "table": {"border"},
    "td": {"align", "colspan", "rowspan", "valign"},
    "th": {"align", "colspan", "rowspan", "scope", "valign"},
    "time": {"datetime"},
    "video": {"controls", "height", "loop", "muted", "src", "width"},
}
#: Properties that change how text looks and cannot load anything.
_STYLES = (
    "background-color border border-bottom border-collapse border-color border-left "
    "border-right border-spacing border-style border-top border-width color font-family "
    "font-size font-style font-variant font-weight height line-height list-style-type margin "
    "margin-bottom margin-left margin-right margin-top max-height max-width min-height "
    "min-width padding padding-bottom padding-left padding-right padding-top text-align "
    "text-decoration text-indent text-transform vertical-align white-space width"
)
#: The classes of Pygments, of ANSI colours, of pandas and of nbconvert's headings.
_CLASSES = {
    *(name for name in STANDARD_TYPES.values() if name),
    *("anchor-link", "dataframe", "highlight", "hl-ipython3"),
    *(
        f"ansi-{colour}{intense}-{ground}"
        for colour in ("black", "red", "green", "yellow", "blue", "magenta", "cyan", "white")
        for intense in ("", "-intense")
        for ground in ("fg", "bg")
    ),
    *("ansi-bold", "ansi-underline", "ansi-default-inverse-fg", "ansi-default-inverse-bg"),
}
_PICTURE = re.compile(r"data:image/(png|jpeg|gif|webp|bmp|svg\+xml)[;,]", re.IGNORECASE)
_MEDIA = re.compile(r"data:(audio|video)/[\w.+-]+[;,]", re.IGNORECASE)
_LINK = re.compile(r"(https?|mailto):", re.IGNORECASE)
#: A link within the page, as the sanitizer writes it. Only other links open a new tab.
_WITHIN_PAGE = re.compile(r'( href="#[^"]*") target="_blank"')
#: A path inside the submission: no scheme, host, query or control characters.
_RELATIVE = re.compile(r"[^/\\:?\x00-\x1f][^\\:?\x00-\x1f]*")


def sanitize(html: str) -> Markup:
    """HTML by a student, as HTML for the page. Never fails; at worst it is shown as text."""
    if len(html) > MOST_CHARACTERS or _too_deep(html):
        return shown_as_text(html)
    try:
        clean = _CLEANER.clean(html)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException:  # a panic of the Rust library is not an Exception
        return shown_as_text(html)
    return Markup(_WITHIN_PAGE.sub(r"\1", clean))  # noqa: S704 - this is the sanitizer


def shown_as_text(text: str) -> Markup:
    """Text by a student, unformatted and at most :data:`MOST_CHARACTERS` long."""
    rest = len(text) - MOST_CHARACTERS
    note = f"\n… {rest:,} more characters are not shown." if rest > 0 else ""
    return Markup("<pre>{}{}</pre>").format(text[:MOST_CHARACTERS], note)


def _attribute(tag: str, name: str, value: str) -> str | None:
    if name == "src":
        data = _PICTURE if tag == "img" else _MEDIA
        return value if data.match(value) or _in_submission(value) else None
    if name == "href":
        if value.startswith("#"):
            return f"#{ID_PREFIX}{value[1:]}"
        return value if _LINK.match(value) or _in_submission(value) else None
    return value


def _in_submission(address: str) -> bool:
    path = unquote(address.strip())
    return _RELATIVE.fullmatch(path) is not None and ".." not in path.split("/")


_CLEANER = nh3.Cleaner(
    tags=_TAGS,
    attributes=_ATTRIBUTES,
    attribute_filter=_attribute,
    allowed_classes=dict.fromkeys(_TAGS, _CLASSES),
    filter_style_properties=set(_STYLES.split()),
    id_prefix=ID_PREFIX,
    link_rel="noopener noreferrer",
    set_tag_attribute_values={"a": {"target": "_blank"}},
    url_schemes={"data", "http", "https", "mailto"},
)

_ELEMENT = re.compile(r"<(/?)([a-zA-Z][^\s/>]*)")
#: Elements without content, or that the next one of their kind ends.
_FLAT = (
    "area br col dd dt embed hr img input li link meta option p rp rt source td th tr track wbr "
    "tbody thead tfoot"
)


def _too_deep(html: str) -> bool:
    if html.count("<") <= DEEPEST:
        return False
    flat, depth = _FLAT.split(), 0
    for end, name in _ELEMENT.findall(html):
        if name.lower() not in flat:
            depth = max(depth - 1, 0) if end else depth + 1
            if depth > DEEPEST:
                return True
    return False
