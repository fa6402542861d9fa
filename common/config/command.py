"""Subcommands of a service. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from common.config.flags import Takes


@dataclass(frozen=True)
class Command:
    """A subcommand, such as ``python -m services.cull check-policy FILE``.

    ``run`` is the name of a method of the application, sync or async. It is called with the
    arguments and the command's own options (only those given) and returns the exit code.
    ``words`` names the arguments; one that ends in ``?`` is optional. ``options`` maps the
    command's own options to their help texts, ``switches`` those without a value. ``examples``
    are command lines for ``--help``, one per line, without the name of the program, and comments
    on them, which begin with ``#``.
    """

    help: str
    run: str
    words: tuple[str, ...] = ()
    options: Mapping[str, str] = field(default_factory=dict)
    switches: Mapping[str, str] = field(default_factory=dict)
    needs_hub: bool = False
    examples: str = ""

    def takes(self) -> dict[str, Takes]:
        """The command's own options, and what each takes."""
        return dict.fromkeys(self.options, Takes.VALUE) | dict.fromkeys(
            self.switches, Takes.NOTHING
        )

    def accepts(self, count: int) -> bool:
        """Whether the command may have this many arguments."""
        required = sum(not word.endswith("?") for word in self.words)
        return required <= count <= len(self.words)

    def usage(self, name: str) -> str:
        """``explain USER [WHEN]``: the command and its arguments."""
        words = (f"[{word[:-1]}]" if word.endswith("?") else word for word in self.words)
        return " ".join([name, *words])
