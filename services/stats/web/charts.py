"""The charts' script: uPlot, which is not part of the source code.

A wheel contains it; in a checkout, ``make setup`` installs it. Without it the pages show the
same numbers as tables.
"""

import logging

from aiohttp import web

from common.web.pages import PAGES

SCRIPT, STYLE = "stats/uplot/uPlot.iife.min.js", "stats/uplot/uPlot.min.css"
"""Static files of the application, which ``services/npm/npm_packages.py`` installs."""

MISSING = "uPlot is not installed; run `make setup` in the checkout and restart the service"
"""Why there are no charts, and what to do about it."""

log = logging.getLogger("stats")


def charts_available(app: web.Application) -> bool:
    """Whether the pages can draw charts."""
    return {SCRIPT, STYLE} <= app[PAGES].files.keys()


def warn_without_charts(app: web.Application) -> None:
    """Log what to run if the charts' script is missing."""
    if not charts_available(app):
        log.warning("The dashboard has no charts: %s.", MISSING)
