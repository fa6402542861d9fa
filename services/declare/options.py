"""The options of a declaration: those for the Hub, those for flags, and their checks."""

from collections.abc import Callable, Iterable, Mapping, Set
from pathlib import Path, PurePath
from pwd import getpwnam
from re import fullmatch
from typing import Any
from urllib.parse import urlsplit

Options = Mapping[str, Any]


def as_flags(options: Options) -> list[str]:
    """The options that are flags of the service, as command line arguments."""
    arguments = []
    for key, value in options.items():
        if key in HUB_OPTIONS or value is None:
            continue
        flag = "--" + key.replace("_", "-")
        if isinstance(value, set | frozenset):
            value = sorted(value)
        for each in value if isinstance(value, list | tuple) else [value]:
            arguments.append(
                flag if each is True else f"{flag}={str(each).lower() if each is False else each}"
            )
    return arguments


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


def _are_names(value: object) -> bool:
    return isinstance(value, list | tuple | set | frozenset) and all(
        isinstance(each, str) and each for each in value
    )


def _are_courses(value: object) -> bool:
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


def _is_path(value: object) -> bool:
    return isinstance(value, str | PurePath) and bool(str(value))


def _is_directory(value: object) -> bool:
    return _is_path(value) and Path(str(value)).is_dir()


def _is_account(value: object) -> bool:
    if not isinstance(value, str):
        return False
    try:
        getpwnam(value)
    except KeyError:
        return False
    return True


def _is_bool(value: object) -> bool:
    return isinstance(value, bool)


_NAMES = "must be a list of names"
HUB_OPTIONS: dict[str, tuple[Callable[[object], bool], str]] = {
    "name": (_is_name, "must consist of lower-case letters, digits, - and _, such as cull"),
    "port": (_is_port, "must be a port number, or 0 for a free one"),
    "url": (_is_url, "must be a URL such as http://127.0.0.1:9000, or False for no pages"),
    "api_token": (_is_token, "must be a string of at least 8 characters"),
    "environment": (_is_environment, "must be a dict of strings"),
    "cwd": (_is_directory, "must be a directory that exists"),
    "user": (_is_account, "must be the name of a system user that exists"),
    "service_per_course": (_are_courses, "must be a list of course ids, such as course101"),
    "display": (_is_bool, "must be True or False"),
    "users": (_are_names, _NAMES),
    "groups": (_are_names, _NAMES),
    "admin_users": (_are_names, _NAMES),
    "admin_groups": (_are_names, _NAMES),
}


def option_problems(
    options: Options, scope_options: Set[str], *, courses: bool = False
) -> Iterable[str]:
    """Problems with one service's options, each with what to write instead.

    ``scope_options`` are flags that the role depends on, so that they are allowed for a service
    that runs elsewhere. ``courses`` is whether it can offer a service per course.
    """
    for key, value in options.items():
        if not isinstance(key, str) or not fullmatch(r"[a-z][a-z0-9_]*", key):
            yield f'"{key}" is not an option; write flags with underscores, such as cull_every'
        elif key in HUB_OPTIONS:
            is_valid, requirement = HUB_OPTIONS[key]
            # The message may be logged, so it must not contain a token.
            if not is_valid(value):
                yield f'"{key}" {requirement}' + ("" if key == "api_token" else f", not {value!r}")
        elif not _is_flag_value(value):
            allowed = "a string, a number, True, False or a list of these"
            yield f'"{key}" must be {allowed}, not {value!r}'
    if "service_per_course" in options and not courses:
        yield '"service_per_course" is only available for formgrader_proxy'
    elif options.get("service_per_course") and options.get("url") is False:
        yield '"service_per_course" needs pages; remove "url"'
    if "port" in options and "url" in options:
        yield 'set "port" or "url", not both'
    if "api_token" in options:
        yield from _external_problems(options, scope_options)


def _external_problems(options: Options, scope_options: Set[str]) -> Iterable[str]:
    """A service that runs elsewhere needs its URL and cannot be given flags or a process."""
    if "url" not in options:
        yield 'a service with an "api_token" runs elsewhere; set "url", or url=False for no pages'
    process = {"environment", "cwd", "user"}
    ignored = options.keys() & process | (options.keys() - HUB_OPTIONS.keys() - scope_options)
    if ignored:
        names = ", ".join(sorted(str(key) for key in ignored))
        yield f'with an "api_token", set {names} where you start the service'


def _is_flag_value(value: object) -> bool:
    if isinstance(value, set | frozenset):
        return all(isinstance(each, str) for each in value)
    if isinstance(value, list | tuple):
        return all(_is_flag_value(each) and each is not None for each in value)
    return value is None or isinstance(value, str | int | float | PurePath)
