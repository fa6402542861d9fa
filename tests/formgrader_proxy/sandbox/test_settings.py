"""The settings of a sandbox."""

from pathlib import Path

import pytest

from services.formgrader_proxy.sandbox.settings import Limits, Mechanism, SandboxSettings


@pytest.mark.parametrize(
    "settings",
    [
        SandboxSettings(),
        SandboxSettings(Mechanism.LANDLOCK, True, Limits(memory=1), (Path("/data"),)),
    ],
    ids=["defaults", "everything"],
)
def test_json_keeps_everything(settings: SandboxSettings) -> None:
    """What a service writes, its formgrader reads."""
    assert SandboxSettings.from_json(settings.to_json()) == settings


@pytest.mark.parametrize(
    "text",
    ["[]", '{"mechanism": "jail"}', '{"limits": {"speed": 1}}', '{"colour": 1}', "{"],
)
def test_invalid_json_is_refused(text: str) -> None:
    """Nothing is ignored: a misspelled limit would not apply."""
    with pytest.raises(ValueError, match=r"\w"):
        SandboxSettings.from_json(text)
