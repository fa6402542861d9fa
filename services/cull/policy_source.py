"""The policy file: read at the start, checked for changes before every pass."""

from pathlib import Path

from common.config.settings_file import SettingsFile
from services.cull.policy.file import load_policy
from services.cull.policy.model import Flags, Policy


class PolicyFile(SettingsFile[Policy]):
    """A policy file that is reloaded when it changes; an invalid version is refused."""

    def __init__(self, path: Path, flags: Flags, kept: str | None = None) -> None:
        """Read the file. ``kept`` is an earlier text, for when the file is invalid.

        :raises ConfigError: the file cannot be read or is invalid, and so is ``kept``
        """
        super().__init__(path, "the policy file", lambda text: load_policy(text, flags), kept)

    @property
    def policy(self) -> Policy:
        """The last valid version."""
        return self.value
