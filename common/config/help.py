"""The texts of ``--help``, ``--help-all`` and ``--generate-config``."""

import inspect
import logging
import os
from collections.abc import Iterable
from textwrap import fill
from typing import Any

from common.config.application import ServiceApp
from common.config.command import Command


def help_short(cls: type[ServiceApp], name: str = "", command: Command | None = None) -> str:
    """The most important options on one screen, or the help of a command."""
    if command is not None:
        return _help_command(cls, name, command)
    lines = [str(cls.description).strip(), "", f"Usage: {program(cls)} [options]"]
    if cls.commands:
        lines += [f"       {program(cls)} COMMAND [options]", "", "Commands:"]
        width = max(len(c.usage(n)) for n, c in cls.commands.items())
        lines += [f"  {c.usage(n):{width}}  {c.help}" for n, c in cls.commands.items()]
    lines += ["", "Options:", *_options(cls, cls.main_options)]
    if cls.examples:
        lines += ["", "Example:", *("  " + one.strip() for one in _lines(cls.examples))]
    lines += ["", "--help-all lists every option. --generate-config prints a configuration file."]
    return "\n".join(lines)


def help_all(cls: type[ServiceApp]) -> str:
    """Every option with its description and default."""
    lines = [help_short(cls), "", "Every option:", *_options(cls, cls.aliases)]
    lines += [f"  --{name}\n      {text}" for name, (_, text) in cls.flags.items()]
    return "\n".join(lines)


def config_file(cls: type[ServiceApp]) -> str:
    """A configuration file with every setting and its description, all commented out."""
    name = cls.__name__
    defaults = _defaults(cls)
    lines = [f"# Configuration file for {program(cls)}.", "", "c = get_config()  # noqa"]
    for setting, trait in sorted(cls.class_traits(config=True).items()):
        # traitlets' own settings, such as log formats, have no effect here.
        if setting in ("config_file", "generate_config"):
            continue
        if setting != "log_level" and trait.this_class.__module__.startswith("traitlets"):
            continue
        text = inspect.cleandoc(str(trait.help or ""))
        lines.append("")
        for line in text.splitlines():
            lines.append(fill(line, 96, initial_indent="# ", subsequent_indent="# ") or "#")
        lines.append(f"# c.{name}.{setting} = {defaults[setting]!r}".splitlines()[0])
    return "\n".join(lines)


def program(cls: type[ServiceApp]) -> str:
    """The command that starts the program."""
    module = cls.__module__.rpartition(".")[0]
    return f"python -m {module}" if module.startswith("services.") else str(cls.name)


def _help_command(cls: type[ServiceApp], name: str, command: Command) -> str:
    lines = [command.help, "", f"Usage: {program(cls)} {command.usage(name)} [options]"]
    own = {f"--{n}=VALUE": t for n, t in command.options.items()}
    own |= {f"--{n}": t for n, t in command.switches.items()}
    if own:
        width = max(map(len, own)) + 4
        lines += ["", "Options:"]
        lines += [
            fill(text, 100, initial_indent=f"  {n:{width - 4}}  ", subsequent_indent=" " * width)
            for n, text in own.items()
        ]
    if command.examples:
        lines += ["", "Examples:"]
        lines += [_example(cls, one.strip()) for one in _lines(command.examples)]
    return "\n".join([*lines, "", "The options of the service can be used as well."])


def _example(cls: type[ServiceApp], line: str) -> str:
    return f"  {line}" if line.startswith("#") else f"  {program(cls)} {line}"


def _options(cls: type[ServiceApp], names: Iterable[str]) -> list[str]:
    traits = cls.class_traits(config=True)
    defaults = _defaults(cls)
    lines = []
    for name in names:
        setting = cls.aliases.get(name, "").rpartition(".")[2]
        trait = traits.get(setting)
        if trait is None:
            continue
        default = defaults[setting]
        kind = _kind(trait)
        text = " ".join(str(trait.help or "").split())
        if default and isinstance(default, int | float | str) and "Default:" not in text:
            text += f" [{str(default).lower() if default is True else default}]"
        indent = "      "
        lines += [
            f"  --{name}[={kind}]" if kind == "true|false" else f"  --{name}={kind}",
            fill(text, 88, initial_indent=indent, subsequent_indent=indent),
        ]
    return lines


def _defaults(cls: type[ServiceApp]) -> dict[str, Any]:
    """The default of every setting, without the environment.

    Some defaults follow from other settings, so they are read from an instance.
    """
    environment = {
        name: os.environ.pop(name) for name in list(os.environ) if name.startswith("JUPYTERHUB_")
    }
    try:
        app = cls()
        found = {name: getattr(app, name) for name in cls.class_traits(config=True)}
    finally:
        os.environ.update(environment)
    return found | {"log_level": logging.getLevelName(found["log_level"])}


def _kind(trait: Any) -> str:
    """The placeholder after the equals sign."""
    name = type(trait).__name__
    if name == "Bool":
        return "true|false"
    if values := getattr(trait, "values", None):
        return "|".join(str(value) for value in values if isinstance(value, str))
    if name == "Seconds":
        return "TIME"
    return "NUMBER" if name in ("Int", "Integer", "Float", "CInt", "CFloat") else "TEXT"


def _lines(text: str) -> list[str]:
    return [line for line in text.strip().splitlines() if line.strip()]
