"""Every reason for a decision in words: one table for commands, dry runs, pages and the API. Pure.

The texts are clauses without a full stop. They read well after "because" (``explain``), alone in
a column (the dry run) and, by ``as_sentence``, on a page.
"""

from services.cull.policy.model import Decision, Reason

REASONS = {
    Reason.IDLE: "it has reached its idle timeout",
    Reason.MAX_AGE: "it has reached its maximum age",
    Reason.ACTIVE: "it has not reached a time limit yet",
    Reason.NEVER: "its rule never stops it",
    Reason.HELD: "an administrator has placed a hold on it",
    Reason.EXTENDED: "it has been extended",
    Reason.SETTLING: "the Hub has only just become available, so idle times are not reliable yet",
    Reason.PENDING: "it is starting or stopping",
    Reason.NOT_READY: "it is not ready yet",
    Reason.NO_TIME: "the Hub does not report when it was last active",
    Reason.NO_PROFILE: "the Hub does not report its profile, and some rules depend on the profile",
    Reason.DEFAULT_SPARED: "default servers are not stopped when idle",
    Reason.NAMED_SPARED: "named servers are not stopped when idle",
    Reason.ADMIN_SPARED: "administrators are not deleted",
    Reason.MEMBER_SPARED: "members of groups are not deleted, since they would lose their groups",
    Reason.UNUSED_SPARED: "users who have never signed in are not deleted",
    Reason.ARBITER: "cull_arbiter_hook decided to keep it running",
    Reason.SERVERS_RUNNING: "the user has a running server",
    Reason.NOT_CULLED: "users are not deleted",
}
NO_LIMIT = "no time limit applies to it"

#: Where a flag is the reason, how the flag is set.
FLAGS = {
    Reason.DEFAULT_SPARED: "--cull-default-servers=false",
    Reason.NAMED_SPARED: "--cull-named-servers=false",
    Reason.ADMIN_SPARED: "--cull-admin-users=false",
    Reason.MEMBER_SPARED: "--cull-group-members=false",
    Reason.UNUSED_SPARED: "--cull-unused-users=false",
    Reason.NOT_CULLED: "--cull-users=false",
}


def describe_reason(decision: Decision) -> str:
    """Why a server or user is stopped, deleted or kept, as a clause."""
    if decision.reason is Reason.ACTIVE and decision.due is None:
        return NO_LIMIT
    return REASONS[decision.reason]


def describe_reason_with_flag(decision: Decision) -> str:
    """The same for administrators, naming the flag that is the reason."""
    flag = FLAGS.get(decision.reason)
    return describe_reason(decision) + (f" ({flag})" if flag else "")


def as_sentence(clause: str) -> str:
    """A clause as a sentence: with a capital letter and a full stop."""
    return f"{clause[:1].upper()}{clause[1:]}."
