"""Two people change the same score or comment: what one has saved is not replaced by mistake.

nbgrader's pages send the score and the extra credit together, also the one that the user has not
changed, and a change that waited for hours is sent, too. Both could replace what somebody else
has saved meanwhile. So this project's script adds what the page knows, in the field :data:`KNOWN`:
``base``, the values that the server last sent, and ``sent``, those that were sent since without a
response. Without that field a change is made as nbgrader makes it.
"""

from collections.abc import Mapping
from typing import Any

from nbgrader.server_extensions.formgrader.apihandlers import CommentHandler, GradeHandler
from tornado.web import HTTPError

#: No identifier, so the audit log does not list it among the changed fields.
KNOWN = "classroom-known"
#: What the handlers change.
_SCORES, _COMMENT = ("manual_score", "extra_credit"), ("manual_comment",)


class Conflict(HTTPError):
    """Somebody else has changed the same field. ``current`` are the stored values."""

    def __init__(self, current: Mapping[str, Any]) -> None:
        self.current = dict(current)
        words = (
            "This has been changed since the page was loaded, by somebody else or in another tab"
        )
        if set(current) == set(_SCORES):
            score, extra = (current[field] for field in _SCORES)
            words += f": score {_shown(score)}, extra credit {_shown(extra)}"
        text = f"{words}. Discard your change to see that, or change yours again to replace it."
        super().__init__(409, text)


def merged(stored: Mapping[str, Any], data: Mapping[str, Any]) -> dict[str, Any]:
    """``data`` without what the page did not change.

    :raises Conflict: it and somebody else have changed the same field
    """
    known = data.get(KNOWN)
    if not isinstance(known, dict):
        return dict(data)
    seen = [one for one in (known.get("base"), *_list(known.get("sent"))) if isinstance(one, dict)]
    result = dict(data)
    for field, now in stored.items():
        value = _number if field in _SCORES else _text
        new = value(data.get(field))
        values = [value(one.get(field)) for one in seen]
        if not values or value(now) in (*values, new):
            continue
        if any(one != new for one in values):
            raise Conflict(stored)
        result[field] = now
    return result


class KeepsOthersChanges:
    """Mixed into a handler of nbgrader that changes a score or a comment."""

    def get_json_body(self) -> Any:
        """What to save. :raises Conflict: somebody else has saved something else"""
        handler: Any = self
        data = super().get_json_body()  # type: ignore[misc]
        if handler.request.method != "PUT" or not isinstance(data, dict) or KNOWN not in data:
            return data
        (key,) = handler.path_args
        fields: tuple[str, ...] = _COMMENT
        if isinstance(self, GradeHandler):
            row, fields = handler.gradebook.find_grade_by_id(key), _SCORES
        else:
            row = handler.gradebook.find_comment_by_id(key)
        return merged({field: getattr(row, field) for field in fields}, data)


def is_shared(handler: type) -> bool:
    """Whether this handler changes what two people may change at once."""
    return issubclass(handler, (GradeHandler, CommentHandler))


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _number(value: Any) -> Any:
    """The same for scores that mean the same: a page sends numbers as text."""
    try:
        return None if value is None or value == "" else float(value)
    except (TypeError, ValueError):
        return value


def _text(value: Any) -> Any:
    return value or None


def _shown(value: Any) -> str:
    return "none" if value is None else f"{value:g}"
