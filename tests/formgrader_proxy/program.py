"""The service as a program: its environment, and a courses file."""

import os

from tests.paths import ROOT

COURSES = '[[course]]\nid = "sums"\ntitle = "Sums"\ndirectory = "/srv/sums"\n'
PREFIX = "/services/formgrader/"


def environment(**more: str) -> dict[str, str]:
    """This process's environment without anything of JupyterHub, and these variables."""
    clean = {key: value for key, value in os.environ.items() if "JUPYTERHUB" not in key}
    return clean | {"PYTHONPATH": str(ROOT)} | more
