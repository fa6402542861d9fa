"""The page for a meeting as one HTML file, which needs nothing else."""

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from services.stats.query.meeting.page import MeetingPage
from services.stats.query.presentation import display, plain

_HERE = Path(__file__).parent


def document(page: MeetingPage, *, made_up: bool) -> str:
    """The file's text. ``made_up``: the numbers are demo data."""
    environment = Environment(
        loader=FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(display=display, plain=plain)
    style = (_HERE / "static" / "meeting.css").read_text("utf-8")
    template = environment.get_template("meeting_document.html")
    return template.render(page=page, made_up=made_up, style=Markup(style)) + "\n"  # noqa: S704 - our own file
