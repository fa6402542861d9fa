"""Builders for tests of declarations."""

from typing import Any

import pytest
from traitlets.config import Config

from common.errors import ConfigError
from services.declare import declare


def role(c: Config, name: str) -> dict[str, Any]:
    """The only role with this name."""
    (found,) = [each for each in c.JupyterHub.load_roles if each["name"] == name]
    assert isinstance(found, dict)
    return found


def service(c: Config, name: str) -> dict[str, Any]:
    """The only service with this name."""
    (found,) = [each for each in c.JupyterHub.services if each["name"] == name]
    assert isinstance(found, dict)
    return found


def problems(**arguments: Any) -> list[str]:
    """The problems that ``declare`` reports, after which the configuration is unchanged."""
    c = Config()
    with pytest.raises(ConfigError) as caught:
        declare(c, **arguments)
    assert "services" not in c.JupyterHub
    assert "load_roles" not in c.JupyterHub
    return list(caught.value.problems)
