"""``check-policy``."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from common.errors import ConfigError
from services.cull.commands.check_policy import check_policy
from services.cull.policy.model import Flags

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)


def test_a_valid_policy_is_shown_in_words(tmp_path: Path) -> None:
    """A heading, then each rule in order, then the rule of the flags."""
    path = tmp_path / "cull.toml"
    path.write_text('[[rule]]\nname = "exam"\nuser = "a*"\naction = "never"\n')
    lines = check_policy(path, Flags(), NOW)
    assert lines[0] == f"{path} is valid. The first rule that matches a server applies:"
    assert lines[1].startswith("1. exam: never stop")
    assert lines[3].startswith("2. default: ")


def test_doubtful_rules_are_noted(tmp_path: Path) -> None:
    """A rule that is valid but probably unintended gets a note of one sentence."""
    path = tmp_path / "cull.toml"
    path.write_text('[[rule]]\nname = "x"\nuser = "a"\nidle_timeout = "2m"\n')
    [note] = [line for line in check_policy(path, Flags(), NOW) if line.startswith("Note: ")]
    assert "rule 1 (x)" in note
    assert note.endswith(".")


def test_every_mistake_is_reported(tmp_path: Path) -> None:
    """The error lists all mistakes in the file, not only the first."""
    path = tmp_path / "cull.toml"
    path.write_text('[[rule]]\nname = "x"\nusr = "a"\nidle_timeout = "soon"\n')
    with pytest.raises(ConfigError) as caught:
        check_policy(path, Flags(), NOW)
    assert len(caught.value.problems) >= 2
