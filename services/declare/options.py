"""The options of a declared service: which are the Hub's, which are flags, what is wrong."""

from collections.abc import Callable, Iterable, Mapping, Set
from pathlib import PurePath
from re import fullmatch
from typing import Any
from urllib.parse import urlsplit

Options = Mapping[str, Any]


def flags(options: Options) -> list[str]:
    """The options that are not about the Hub's side, as words of a command line."""
    words = []
    for key, value in options.items():
        if key in HUB_OPTIONS or value is None:
            continue
        flag = "--" + key.replace("_", "-")
        for each in value if isinstance(value, list | tuple) else [value]:
            words.append(
                flag if each is True else f"{flag}={str(each).lower() if each is False else each}"
            )
    return words


def _is_name(value: object) -> bool:
    return isinstance(value, str) and fullmatch(r"[a-z][a-z0-9_-]*[a-z0-9]", value) is not None


def _is_port(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 65535


def _is_url(value: object) -> bool:
    if value is False:
        return True
    if not isinstance(value, str):
        return False
    try:
        parts = urlsplit(value)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _is_texts(value: object) -> bool:
    return isinstance(value, list | tuple | set | frozenset) and all(
        isinstance(each, str) and each for each in value
    )


def _is_courses(value: object) -> bool:
    return isinstance(value, list | tuple) and all(
        isinstance(each, str) and fullmatch(r"[A-Za-z][A-Za-z0-9._-]*[A-Za-z0-9]", each)
        for each in value
    )


def _is_environment(value: object) -> bool:
    return isinstance(value, Mapping) and all(
        isinstance(each, str) for pair in value.items() for each in pair
    )


def _is_token(value: object) -> bool:
    return isinstance(value, str) and len(value) >= 8


def _is_place(value: object) -> bool:
    return isinstance(value, str | PurePath) and bool(str(value))


def _is_bool(value: object) -> bool:
    return isinstance(value, bool)


_NAMES = "must be a list of names"
HUB_OPTIONS: dict[str, tuple[Callable[[object], bool], str]] = {
    "name": (_is_name, "must be lower-case letters, digits, - and _, such as cull"),
    "port": (_is_port, "must be a port number, or 0 for a free one"),
    "url": (_is_url, "must be like http://127.0.0.1:9000, or False for no pages"),
    "api_token": (_is_token, "must be text of at least 8 characters"),
    "environment": (_is_environment, "must be a dict of text to text"),
    "cwd": (_is_place, "must be a directory"),
    "user": (_is_place, "must be a system user's name"),
    "service_per_course": (_is_courses, "must be a list of course ids, such as course101"),
    "display": (_is_bool, "must be True or False"),
    "users": (_is_texts, _NAMES),
    "groups": (_is_texts, _NAMES),
    "admin_users": (_is_texts, _NAMES),
    "admin_groups": (_is_texts, _NAMES),
}


def wrong_options(
    options: Options, scope_flags: Set[str], *, courses: bool = False
) -> Iterable[str]:
    """What is wrong with one service's options, in words that say what to write.

    ``scope_flags`` are flags that also decide on the role, and so may be given for a service
    that is started elsewhere. ``courses`` is whether it can stand for a service per course.
    """
    for key, value in options.items():
        if not isinstance(key, str) or not fullmatch(r"[a-z][a-z0-9_]*", key):
            yield f'"{key}" is no option; write flags with underscores, such as cull_every'
        elif key in HUB_OPTIONS:
            fits, words = HUB_OPTIONS[key]
            # A token's value stays out of the message, and so out of every log.
            if not fits(value):
                yield f'"{key}" {words}' + ("" if key == "api_token" else f", not {value!r}")
        elif not _is_flag_value(value):
            yield f'"{key}" must be text, a number, True, False or a list of these, not {value!r}'
    if "service_per_course" in options and not courses:
        yield '"service_per_course" is an option of formgrader_proxy'
    elif options.get("service_per_course") and options.get("url") is False:
        yield '"service_per_course" needs pages: take out "url"'
    if "port" in options and "url" in options:
        yield 'give "port" or "url", not both'
    if "api_token" in options:
        yield from _wrong_for_external(options, scope_flags)


def _wrong_for_external(options: Options, scope_flags: Set[str]) -> Iterable[str]:
    """An external service needs its address, and takes its flags where it is started."""
    if "url" not in options:
        yield 'a service with an "api_token" runs elsewhere: say where in "url", or url=False'
    own = {"environment", "cwd", "user"} | (options.keys() - HUB_OPTIONS.keys() - scope_flags)
    stray = sorted(str(key) for key in own & options.keys())
    if stray:
        yield f'with an "api_token" give {", ".join(stray)} where the service is started'


def _is_flag_value(value: object) -> bool:
    if isinstance(value, list | tuple):
        return all(_is_flag_value(each) and each is not None for each in value)
    return value is None or isinstance(value, str | int | float | PurePath)
