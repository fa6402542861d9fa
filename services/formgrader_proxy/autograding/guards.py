"""Putting the guards in place: they replace methods of nbgrader's classes in this process.

Replacing methods, instead of configuring nbgrader, leaves a course's own nbgrader_config.py no
way to weaken them. :func:`protect` is for that file, so that commands in a terminal are protected
like the formgrader.
"""

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from nbgrader.apps.api import NbGraderAPI
from nbgrader.converters import Autograde, GenerateFeedback
from nbgrader.coursedir import CourseDirectory
from nbgrader.exchange.default.collect import ExchangeCollect
from nbgrader.server_extensions.formgrader import handlers

from services.formgrader_proxy.autograding import timestamps
from services.formgrader_proxy.autograding.attachments import Attachments
from services.formgrader_proxy.autograding.converters import ConverterGuard
from services.formgrader_proxy.autograding.exchange import CollectGuard
from services.formgrader_proxy.autograding.reports import Report
from services.formgrader_proxy.autograding.settings import AutogradingSettings, read_settings


@dataclass
class _Installed:
    """The guards of this process. ``final``: a configuration file cannot change their settings."""

    converters: ConverterGuard
    collect: CollectGuard
    final: bool


_installed: _Installed | None = None


def install(settings: AutogradingSettings, *, final: bool = True) -> None:
    """Put the guards in place, or change their settings if they are and are not final."""
    global _installed
    if _installed is not None:
        if not _installed.final:
            _installed.converters.settings = _installed.collect.settings = settings
            _installed.final = final
        return
    report = Report()
    converters, collect = ConverterGuard(settings, report), CollectGuard(settings, report)
    _installed = _Installed(converters, collect, final)

    def init_autograde(converter: Any, original: Callable[[Any], None]) -> None:
        converters.check_sandbox()
        converters.init_notebooks(converter, original)

    _replace(Autograde, "init_notebooks", init_autograde)
    _replace(Autograde, "convert_notebooks", converters.convert_notebooks)
    _replace(Autograde, "_init_preprocessors", converters.init_preprocessors)
    _replace(GenerateFeedback, "init_notebooks", converters.init_notebooks)
    _replace(GenerateFeedback, "convert_notebooks", converters.convert_notebooks)
    _replace(ExchangeCollect, "_path_to_record", collect.path_to_record)
    _replace(ExchangeCollect, "copy_files", collect.copy_files)
    _replace(ExchangeCollect, "do_copy", collect.do_copy)
    _replace(CourseDirectory, "get_existing_timestamp", timestamps.existing)
    _replace(NbGraderAPI, "get_submitted_timestamp", timestamps.submitted)
    for action in ("autograde", "generate_feedback", "collect"):
        _replace(NbGraderAPI, action, functools.partial(_explained, report))
    _serve_attachments()


def protect(
    sandbox: str = "auto",
    sandbox_network: bool = False,
    limits: Mapping[str, int] | None = None,
) -> None:
    """Protect nbgrader's commands in a terminal; call this in the course's nbgrader_config.py.

    The arguments are those of the course in the courses file. In a formgrader that the service
    runs, the course's own settings apply instead.

    :raises SystemExit: an argument is invalid. nbgrader ignores other exceptions in this file, and
        would go on without protection.
    """
    table = {"sandbox": sandbox, "sandbox_network": sandbox_network, "limits": limits or {}}
    found: list[str] = []
    settings = read_settings(table, lambda key, what: found.append(f"{key}: {what}"))
    if found:
        raise SystemExit("\n".join(["nbgrader_config.py, protect():", *found]))
    if _installed is not None and _installed.final:
        return
    install(settings, final=False)


def _explained(report: Report, api: Any, original: Any, *words: Any, **options: Any) -> Any:
    report.clear()
    return report.added_to(original(api, *words, **options))


def _replace(owner: type, name: str, guard: Callable[..., Any]) -> None:
    """Replace a method; ``guard`` gets the object, the original method, and the arguments.

    :raises AttributeError: this version of nbgrader has no such method
    """
    original = getattr(owner, name)

    @functools.wraps(original)
    def guarded(self: Any, *words: Any, **options: Any) -> Any:
        return guard(self, original, *words, **options)

    setattr(owner, name, guarded)


def _serve_attachments() -> None:
    """:raises LookupError: this version of nbgrader has no such handler"""
    for number, (pattern, handler, *rest) in enumerate(handlers.default_handlers):
        if handler is handlers.SubmissionFilesHandler:
            handlers.default_handlers[number] = (pattern, Attachments, *rest)
            return
    raise LookupError("nbgrader's handler of attachments was not found")
