"""``check-policy FILE``: a policy file in words, with what is probably unintended."""

from datetime import datetime
from pathlib import Path

from services.cull.policy.describe import describe_policy
from services.cull.policy.lint import lint_policy
from services.cull.policy.model import Flags
from services.cull.policy_source import PolicyFile


def check_policy(path: Path, flags: Flags, now: datetime) -> list[str]:
    """Lines for a terminal. Raises ConfigError with every mistake in the file."""
    policy = PolicyFile(path, flags).policy
    return [
        f"{path} is valid. The first rule that matches a server applies:",
        *describe_policy(policy),
        *(f"Note: {remark}." for remark in lint_policy(policy, now)),
    ]
