"""From the command line to a running service, and from there to an exit code.

All problems are reported together on standard error, without a traceback.
"""

import asyncio
import inspect
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import NoReturn

from common import logs
from common.config.application import ServiceApp
from common.config.command import Command
from common.config.flags import CommandLine, Takes, split
from common.config.help import config_file, help_all, help_short
from common.config.suggestions import did_you_mean
from common.errors import ConfigError, unexpected
from common.prctl import hide_process
from common.program.managed import keep_running
from common.program.parent import hub_process
from common.program.shutdown import run_loop

_BUILT_IN = {
    "help": Takes.NOTHING,
    "h": Takes.NOTHING,
    "help-all": Takes.NOTHING,
    "version": Takes.NOTHING,
    "V": Takes.NOTHING,
    "generate-config": Takes.NOTHING,
}


def launch(cls: type[ServiceApp]) -> NoReturn:
    """Run the program and exit: 0 on success, 1 if a setting is invalid."""
    hub = hub_process()
    hide_process()  # its environment and memory contain tokens
    try:
        code = run(cls, sys.argv[1:], hub=hub)
    except KeyboardInterrupt:  # before the event loop handles signals
        code = 130
    raise SystemExit(code)


def run(cls: type[ServiceApp], argv: Sequence[str], *, hub: int | None = None) -> int:
    """Run the program with the arguments in ``argv``; the exit code.

    ``hub`` is the process id of the Hub that started the program as a managed service. Such a
    service does not end because of a problem.
    """
    argv = list(argv)
    name, command = _find_command(cls, argv)
    own: dict[str, Takes] = {}
    if command:
        argv.remove(name)
        own = command.takes()
    line = split(argv, _BUILT_IN | cls.options() | own)
    if (text := _information(cls, name, command, line)) is not None:
        return _print(text)

    def prepare() -> tuple[ServiceApp, list[str]]:
        app = cls()
        try:
            problems = read(app)
        except Exception as error:
            if hub is None or command:
                raise
            problems = [*app.mistakes, unexpected(error)]  # the Hub must not exit because of it
        with suppress(OSError, ValueError):  # such a token file is one of the problems
            if app.api_token or app.token_file:
                logs.keep_secret(app.token)
        if not problems or (hub is not None and command is None):
            app.configure_logging()
        return app, problems

    def read(app: ServiceApp) -> list[str]:
        app.configure([(o, v) for o, v in line.options if o not in own and o not in _BUILT_IN])
        if command:
            app.needs_hub = command.needs_hub
        elif line.words and _similar(cls, line.words[0]):  # mistyped, not meant to run the service
            app.needs_hub = False
        arguments = _argument_problems(cls, name, command, line)
        problems = [*line.problems, *arguments, *app.problems()]
        if problems or command or not app.keeps_files:
            problems += app.file_problems()
        return problems

    if hub is not None and command is None:
        return keep_running(prepare, hub)
    app, problems = prepare()
    if problems:
        return _report(app.name, problems)
    given = {option: value or "" for option, value in line.options if option in own}
    try:
        return _start(app, command, line.words, given)
    except ConfigError as error:
        return _report(app.name, error.problems)


def _information(
    cls: type[ServiceApp], name: str, command: Command | None, line: CommandLine
) -> str | None:
    """The text that the command line asks for instead of a run, if any."""
    if line.has("help-all"):
        return help_all(cls)
    if line.has("help", "h"):
        return help_short(cls, name, command)
    if line.has("version", "V"):
        return cls.version
    return config_file(cls) if line.has("generate-config") else None


def _start(
    app: ServiceApp, command: Command | None, words: list[str], given: dict[str, str]
) -> int:
    if command is None:
        return run_loop(app, app.main)
    method = getattr(app, command.run)
    if inspect.iscoroutinefunction(method):
        return run_loop(app, lambda: method(words, given))
    app.stopping = asyncio.Event()
    return int(method(words, given) or 0)


def _find_command(cls: type[ServiceApp], argv: list[str]) -> tuple[str, Command | None]:
    """The subcommand: the first word that is neither an option nor an option's value."""
    line = split(argv, _BUILT_IN | cls.options())
    for word in (argv[:1] or [""])[0], *line.words[:1]:
        if word in cls.commands:
            return word, cls.commands[word]
    return "", None


def _argument_problems(
    cls: type[ServiceApp], name: str, command: Command | None, line: CommandLine
) -> list[str]:
    if command is None:
        if not line.words:
            return []
        hint = _similar(cls, line.words[0])
        return [f"Unknown command {line.words[0]}{hint or '; --help lists the commands.'}"]
    return [] if command.accepts(len(line.words)) else [f"Write {command.usage(name)}."]


def _similar(cls: type[ServiceApp], word: str) -> str:
    return did_you_mean(word, list(cls.commands), form="{}", at_most=2)


def _print(text: str) -> int:
    try:
        print(text, flush=True)
    except BrokenPipeError:  # | head
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def _report(name: str, problems: Sequence[str]) -> int:
    for problem in dict.fromkeys(problems):
        print(f"{name}: {logs.redact(problem)}", file=sys.stderr)
    return 1
