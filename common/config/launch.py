"""From the command line to a running service and back to an exit code.

Every mistake is told on standard error at once, without a traceback; SIGTERM and SIGINT end
the program with 0 within 10 s.
"""

import asyncio
import inspect
import logging
import os
import signal
import sys
import threading
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from common import logs
from common.config.flags import CommandLine, Takes, did_you_mean, split
from common.config.help import config_file, help_all, help_short
from common.errors import ConfigError, ServiceError

if TYPE_CHECKING:
    from common.config.application import ServiceApp

FINISH_SECONDS = 7.0  # what main() has to finish by itself after a signal
CANCEL_SECONDS = 1.5  # then it is cancelled; past that the process ends anyway

_BUILT_IN = {
    "help": Takes.NOTHING,
    "h": Takes.NOTHING,
    "help-all": Takes.NOTHING,
    "version": Takes.NOTHING,
    "V": Takes.NOTHING,
    "generate-config": Takes.NOTHING,
}


@dataclass(frozen=True)
class Command:
    """A subcommand: ``python -m services.cull check-policy FILE``.

    ``run`` names a method of the application, sync or async, called with the words and the
    command's own options (only those given) and returning the exit code. ``words`` names the
    arguments; one ending in ``?`` may be left out. ``options`` maps own options to their help.
    ``examples`` has one command line each, for --help, without the name of the program.
    """

    help: str
    run: str
    words: tuple[str, ...] = ()
    options: Mapping[str, str] = field(default_factory=dict)
    switches: Mapping[str, str] = field(default_factory=dict)
    needs_hub: bool = False
    examples: str = ""


def run(cls: "type[ServiceApp]", argv: Sequence[str] | None) -> int:
    """Do what the command line says; return the exit code."""
    argv = list(sys.argv[1:] if argv is None else argv)
    name, command = _find_command(cls, argv)
    if command:
        argv.remove(name)
    line = split(argv, _BUILT_IN | cls.options() | _own_options(command))
    if line.has("help", "h", "help-all"):
        text = help_all(cls) if line.has("help-all") else help_short(cls, name, command)
        return _say(text)
    if line.has("version", "V"):
        return _say(cls.version)
    if line.has("generate-config"):
        return _say(config_file(cls))
    app = cls()
    own = _own_options(command)
    given = {option: value or "" for option, value in line.options if option in own}
    app.configure([(o, v) for o, v in line.options if o not in own and o not in _BUILT_IN])
    problems = [*line.problems, *_word_problems(cls, name, command, line)]
    if command:
        app.needs_hub = command.needs_hub  # type: ignore[misc]  # a command may do without the Hub
    problems += app.problems()
    if problems:
        return _tell(app.name, problems)
    if app.api_token or app.token_file:
        logs.keep_secret(app.token)
    app._configure_logging()
    try:
        return _start(app, command, line.words, given)
    except ConfigError as error:
        return _tell(app.name, error.problems)


def _start(
    app: "ServiceApp", command: Command | None, words: list[str], given: dict[str, str]
) -> int:
    if command is None:
        return _run_loop(app, app.main)
    method = getattr(app, command.run)
    if inspect.iscoroutinefunction(method):
        return _run_loop(app, lambda: method(words, given))
    app.stopping = asyncio.Event()
    try:
        return int(method(words, given) or 0)
    except KeyboardInterrupt:
        return 130


Main = Callable[[], Awaitable[int | None]]


def _run_loop(app: "ServiceApp", main: Main) -> int:
    # Should something not let itself be cancelled, the process ends all the same.
    guard = threading.Timer(FINISH_SECONDS + CANCEL_SECONDS + 0.5, os._exit, (0,))
    guard.daemon = True
    try:
        with asyncio.Runner(loop_factory=app.new_loop) as runner:
            return runner.run(supervise(app, main, on_stop=guard.start))
    finally:
        guard.cancel()


async def supervise(app: "ServiceApp", main: Main, *, on_stop: Callable[[], None]) -> int:
    """Run ``main`` until it returns, or for some seconds after a signal; the exit code.

    After a signal it is 0 if ``main`` had to be cancelled.
    """
    loop = asyncio.get_running_loop()
    app.stopping = asyncio.Event()
    log = logging.getLogger(app.name)
    signalled = asyncio.Event()

    def on_signal(which: signal.Signals) -> None:
        if signalled.is_set():
            task.cancel()  # a second signal: do not wait any longer
            return
        log.info("%s: stopping", which.name)
        signalled.set()
        app.stopping.set()
        on_stop()

    task = asyncio.ensure_future(main())
    for which in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(which, on_signal, which)
    waiting = asyncio.ensure_future(signalled.wait())
    try:
        await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            await _finish(task, log)
        return 0 if signalled.is_set() and task.cancelled() else _outcome(task, log)
    finally:
        waiting.cancel()
        for which in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(which)


async def _finish(task: "asyncio.Future[int | None]", log: logging.Logger) -> None:
    await asyncio.wait({task}, timeout=FINISH_SECONDS)
    if not task.done():
        log.warning("still busy after %.0f s: what is open is abandoned", FINISH_SECONDS)
        task.cancel()
        await asyncio.wait({task}, timeout=CANCEL_SECONDS)


def _outcome(task: "asyncio.Future[int | None]", log: logging.Logger) -> int:
    if not task.done() or task.cancelled():
        return 0
    error = task.exception()
    if error is None:
        return int(task.result() or 0)
    if isinstance(error, ConfigError):
        raise error
    if isinstance(error, ServiceError) or (isinstance(error, OSError) and error.strerror):
        log.error("%s", error)
    else:
        log.critical("a fault of ours ended the service", exc_info=error)
    return 1


def _own_options(command: Command | None) -> dict[str, Takes]:
    if command is None:
        return {}
    return dict.fromkeys(command.options, Takes.VALUE) | dict.fromkeys(
        command.switches, Takes.NOTHING
    )


def _find_command(cls: "type[ServiceApp]", argv: list[str]) -> tuple[str, Command | None]:
    """The subcommand: the first word that is no option and no option's value."""
    line = split(argv, _BUILT_IN | cls.options())
    for word in (argv[:1] or [""])[0], *line.words[:1]:
        if word in cls.commands:
            return word, cls.commands[word]
    return "", None


def _word_problems(
    cls: "type[ServiceApp]", name: str, command: Command | None, line: CommandLine
) -> list[str]:
    if command is None:
        if not line.words:
            return []
        hint = did_you_mean(line.words[0], list(cls.commands), dashes="")
        hint = hint or " Write --help for what there is."
        return [f"There is no command {line.words[0]}.{hint}"]
    least = sum(not word.endswith("?") for word in command.words)
    if least <= len(line.words) <= len(command.words):
        return []
    shape = " ".join(f"[{w[:-1]}]" if w.endswith("?") else w for w in command.words)
    return [f"Write {name} {shape}".rstrip() + "."]


def _say(text: str) -> int:
    try:
        print(text, flush=True)
    except BrokenPipeError:  # | head
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def _tell(name: str, problems: Sequence[str]) -> int:
    for problem in dict.fromkeys(problems):
        print(f"{name}: {logs.redact(problem)}", file=sys.stderr)
    return 1
