"""Starts a service, and explains why Python does not find its library.

``python -m`` searches the working directory first: a ``common.py`` or ``services/`` there, as in
the directory of a ``jupyterhub_config.py``, hides the modules of this project.
"""

from importlib.util import find_spec
from pathlib import Path
from typing import NoReturn

COMMANDS = {
    "services.cull": "jupyterhub-cull",
    "services.stats": "jupyterhub-stats",
    "services.formgrader_proxy": "jupyterhub-formgrader",
}
"""The console scripts, by the modules that they start."""


def other_library() -> str | None:
    """Where Python finds a ``common`` that is not the one beside ``services``; None if it is."""
    own = Path(__file__).resolve().parents[1] / "common" / "__init__.py"
    found = find_spec("common")
    where = None if found is None else found.origin
    if where is not None and Path(where).resolve() == own:
        return None
    return where or "nowhere"


def require_library(module: str) -> None:
    """Exit with an explanation if ``common`` is another module. ``module`` is the service's."""
    if where := other_library():
        raise SystemExit(
            f"{module}: Python finds another module “common” ({where}), which hides that of"
            f" jupyterhub-classroom. Run {COMMANDS[module]}, or python -P -m {module}, which do not"
            " search the working directory."
        )


def cull() -> NoReturn:
    """``jupyterhub-cull``"""
    require_library("services.cull")
    from common.program.launch import launch
    from services.cull.app import IdleCuller

    launch(IdleCuller)


def stats() -> NoReturn:
    """``jupyterhub-stats``"""
    require_library("services.stats")
    from common.program.launch import launch
    from services.stats.app import StatsApp

    launch(StatsApp)


def formgrader() -> NoReturn:
    """``jupyterhub-formgrader``"""
    require_library("services.formgrader_proxy")
    from common.program.launch import launch
    from services.formgrader_proxy.app import FormgraderProxy

    launch(FormgraderProxy)
