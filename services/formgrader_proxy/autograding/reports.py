"""What happened to a submission, for the dialog that nbgrader's pages show after an action."""

from typing import Any


class Report:
    """The explanations of one action, such as autograding a submission."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        #: Whether a submission was refused or could not be handled at all.
        self.failed = False

    def clear(self) -> None:
        """Start with the next action."""
        self.lines.clear()
        self.failed = False

    def add(self, subject: str, sentence: str) -> None:
        """Explain something about a notebook or a submission."""
        self.lines.append(f"{subject}: {sentence}")

    def fail(self, subject: str, sentences: list[str]) -> None:
        """Explain why a submission was refused."""
        self.failed = True
        self.lines += [f"{subject}: {sentence}" for sentence in sentences]

    @property
    def text(self) -> str:
        """All explanations, one per line."""
        return "\n".join(self.lines)

    def added_to(self, result: dict[str, Any]) -> dict[str, Any]:
        """The result of an action of nbgrader's API, ``{"success", "log", "error"}``, explained.

        The explanations come first in its log. They replace the traceback of a refusal.
        """
        if not self.lines:
            return result
        added = dict(result, log=f"{self.text}\n\n{result.get('log', '')}".rstrip())
        if self.failed:
            added |= {"success": False, "error": self.text}
        return added
