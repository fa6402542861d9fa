"""The policy file as it is read and reloaded."""

from pathlib import Path

import pytest

from common.config.settings_file import Reload
from common.errors import ConfigError
from services.cull.policy.model import Flags
from services.cull.policy_source import PolicyFile

FLAGS = Flags(timeout=900)
RULES = '[[rule]]\nname = "exam"\naction = "never"\n'


def test_a_byte_order_mark_is_accepted(tmp_path: Path) -> None:
    """Some editors start every file with one."""
    path = tmp_path / "policy.toml"
    path.write_text(RULES, encoding="utf-8-sig")
    assert len(PolicyFile(path, FLAGS).policy.rules) == 2


def test_an_invalid_file_leaves_the_last_valid_policy(tmp_path: Path) -> None:
    """It is refused once, with its problems; once it is corrected, it is loaded."""
    path = tmp_path / "policy.toml"
    path.write_text(RULES)
    file = PolicyFile(path, FLAGS)
    good = file.policy
    assert file.reload_if_changed() is Reload.UNCHANGED
    path.write_text("[[rule]]")
    assert file.reload_if_changed() is Reload.REFUSED
    assert file.problems
    assert file.policy is good
    assert file.reload_if_changed() is Reload.UNCHANGED
    path.write_text('[[rule]]\nname = "new"\nidle_timeout = 1')
    assert file.reload_if_changed() is Reload.LOADED
    assert file.problems == ()
    assert file.policy.rules[0].name == "new"


def test_a_missing_file_leaves_the_last_valid_policy(tmp_path: Path) -> None:
    """Some editors delete the file for a moment while they save it."""
    path = tmp_path / "policy.toml"
    path.write_text(RULES)
    file = PolicyFile(path, FLAGS)
    path.unlink()
    assert file.reload_if_changed() is Reload.REFUSED
    assert len(file.policy.rules) == 2
    path.write_text(RULES)
    file.reload_if_changed()
    assert file.problems == ()


def test_a_missing_file_at_the_start_is_an_error(tmp_path: Path) -> None:
    """Without a valid policy there is nothing to fall back on."""
    with pytest.raises(ConfigError, match=r"nowhere\.toml cannot be read"):
        PolicyFile(tmp_path / "nowhere.toml", FLAGS)
