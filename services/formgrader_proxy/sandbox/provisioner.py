"""A kernel provisioner that runs each kernel in a sandbox.

The entry point "classroom-sandbox" of ``jupyter_client.kernel_provisioners``, for nbgrader's
executor in a formgrader and for ``nbgrader autograde`` in a terminal.
"""

from collections.abc import Mapping
from typing import Any

from jupyter_client.provisioning.local_provisioner import LocalProvisioner
from traitlets import Bool, Dict, List, Unicode

from services.formgrader_proxy.sandbox.settings import SandboxSettings

NAME = "classroom-sandbox"


class SandboxProvisioner(LocalProvisioner):
    """Starts a kernel that sees its folder, the released files and the installed software only."""

    mechanism = Unicode(
        "auto", config=True, help='"auto" (the best available), "bubblewrap", "landlock" or "none".'
    )
    network = Bool(False, config=True, help="Whether the code may use the network.")
    limits = Dict(
        config=True,
        help="memory and disk (bytes), cpu_seconds, processes, files; see the documentation.",
    )
    readable = List(Unicode(), config=True, help="Further files and folders that it may read.")

    @property
    def outcome(self) -> Mapping[str, Any] | None:
        """How the last kernel ended; None while it runs.

        ``{"limit": null or "memory", "cpu", "processes", "files", "disk", "message": a sentence
        for people, or null, "removed": [paths removed from the folder], "output": the last lines
        that the kernel printed outside cells}``.
        """
        return None

    @property
    def settings(self) -> SandboxSettings:
        """The settings that the traits describe.

        :raises ValueError: a trait is invalid
        """
        raise NotImplementedError
