"""Loads settings from a configuration file and the command line, and collects every mistake.

traitlets itself stops at the first invalid value. Here each one is added to ``mistakes`` and
loading continues, so that all of them can be fixed at once.
"""

import json
from collections.abc import Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

from traitlets import Bool, Container, Int, TraitError
from traitlets.config import Application, Config
from traitlets.config.loader import (
    DeferredConfig,
    DeferredConfigList,
    DeferredConfigString,
    JSONFileConfigLoader,
    LazyConfigValue,
    PyFileConfigLoader,
)

from common.config.flags import Takes
from common.config.suggestions import did_you_mean

LEVELS = {"DEBUG": 10, "INFO": 20, "WARN": 30, "WARNING": 30, "ERROR": 40, "CRITICAL": 50}
_SECRET_SETTINGS = frozenset({"api_token", "db_url"})  # their values are never shown

# More is a typing error, and too much for a C int, a timedelta or a database.
_MOST = 2**31 - 1

_WORDS = {
    "an int": "a whole number",
    "an int or None": "a whole number",
    'a number of seconds or a duration such as "45m"': 'a time: seconds (600), or "45m", "1h 30m"',
    'a number of seconds or a duration such as "45m" or None': (
        'a time: seconds (600), or "45m", "1h 30m", "never"'
    ),
    "a float": "a number",
    "a float or None": "a number",
    "a boolean": "true or false",
    "a unicode string": "text",
    "a list": 'a list of texts, such as ["ONE", "TWO"]',
}


class Configured(Application):
    """An application that collects the mistakes in its settings instead of stopping at one."""

    config_file: Any

    def __init__(self, **kwargs: Any) -> None:
        self.mistakes: list[str] = []
        super().__init__(**kwargs)

    @classmethod
    def options(cls) -> dict[str, Takes]:
        """Every command line option, and what it takes."""
        known = dict.fromkeys(cls.flags, Takes.NOTHING)
        traits = cls.class_traits(config=True)
        for option, target in cls.aliases.items():
            trait = traits.get(target.partition(".")[2])
            known[option] = Takes.TRUTH if isinstance(trait, Bool) else Takes.VALUE
        return known

    def read_config_file(self, path: str, *, named: bool) -> Config:
        """The settings in the file. A missing file is a mistake only if it was ``named``."""
        try:
            found, why = Path(path).is_file(), "does not exist"
        except OSError as error:  # such as a name that is too long
            found, why = False, f"cannot be read: {error.strerror}"
        if not found:
            if named:
                self.mistakes.append(f"--config: {path} {why}.")
            return Config()
        full = str(Path(path).resolve())
        loader_class = JSONFileConfigLoader if full.endswith(".json") else PyFileConfigLoader
        try:
            if loader_class is JSONFileConfigLoader:
                _require_object(full)
            config: Config = loader_class(full).load_config()
        except SyntaxError as error:
            self.mistakes.append(f"{path}, line {error.lineno}: {error.msg}.")
        except json.JSONDecodeError as error:
            self.mistakes.append(f"{path}, line {error.lineno}: {error.msg}.")
        except SystemExit:
            self.mistakes.append(f"{path}: the file ends the program. Remove its call of exit().")
        except Exception as error:  # the file is a program and can raise anything
            self.mistakes.append(f"{path}: {_where(error, full)}{type(error).__name__}: {error}")
        else:
            sections = {cls.__name__ for cls in type(self).mro()}
            for section in config:
                if section not in sections and (
                    hint := did_you_mean(section, list(sections), form="c.{}", at_most=2)
                ):
                    self.mistakes.append(f"{path}: c.{section} is not a known section{hint}")
            return config
        return Config()

    def configure(self, options: Sequence[tuple[str, str | None]]) -> None:
        """Load the configuration file, then the command line options."""
        line = self._read_options(options)
        named = any("config_file" in section for section in line.values())
        path = self.config_file
        for section in line.values():
            path = section.get("config_file", path)
        config = self.read_config_file(str(path), named=named) if path else Config()
        # A class's own section wins over those of its base classes. All options of the command
        # line go there, since otherwise the file could override them.
        for section in line.values():
            config[type(self).__name__].merge(section)
        self._apply(config)

    def _read_options(self, options: Sequence[tuple[str, str | None]]) -> Config:
        config = Config()
        sections = {cls.__name__ for cls in type(self).mro()}
        for name, value in options:
            if name in self.flags:
                config.merge(Config(self.flags[name][0]))
                continue
            section, _, trait = self.aliases.get(name, name).rpartition(".")
            if section not in sections:
                self.mistakes.append(f"--{name}: unknown section {section}.")
                continue
            text = "true" if value is None else value
            if isinstance(self.traits().get(trait), Container):
                # A list collects the values of a repeated option.
                before = config[section].get(trait, [])
                config[section][trait] = DeferredConfigList([*before, text])
            else:
                config[section][trait] = DeferredConfigString(text)
        return config

    def _apply(self, config: Config) -> None:
        """Set every trait; an invalid value is recorded and the others are still set."""
        mine = Config()
        for section in self.section_names():
            if section in config:
                mine.merge(config[section])
        known = self.traits(config=True)
        for name, value in mine.items():
            if name in known:
                self._set(name, known[name], value)
            elif not name[:1].isupper() and not isinstance(value, Config):
                hint = did_you_mean(name, list(known), form="{}", at_most=2)
                self.mistakes.append(f"Unknown setting {type(self).__name__}.{name}{hint or '.'}")

    def _set(self, name: str, trait: Any, value: Any) -> None:
        option = next((k for k, v in self.aliases.items() if v.endswith("." + name)), None)
        shown = f"--{option}" if option else f"{type(self).__name__}.{name}"
        try:
            if isinstance(value, LazyConfigValue):
                value = value.get_value(getattr(self, name))
            elif isinstance(value, DeferredConfig):
                value = value.get_value(trait)
            if name == "log_level" and isinstance(value, str):
                value = LEVELS.get(value.upper(), value)
            if isinstance(value, int) and isinstance(trait, Int) and value > _MOST:
                most = _MOST if trait.max is None else trait.max
                self.mistakes.append(f"{shown}: must be a number of at most {most}.")
                return
            setattr(self, name, deepcopy(value))
        except (TraitError, ValueError, TypeError) as error:
            self.mistakes.append(_wrong_value(shown, trait, value, str(error)))


def _require_object(path: str) -> None:
    text = Path(path).read_text("utf-8")
    if not isinstance(json.loads(text), dict):
        message = 'must contain a JSON object, such as {"ServiceApp": {"port": 8080}}'
        raise json.JSONDecodeError(message, text, 0)


def _wrong_value(shown: str, trait: Any, value: object, error: str) -> str:
    info = str(trait.info())
    what = f"{shown}: must be {_WORDS.get(info, info)}"
    if trait.name in _SECRET_SETTINGS:
        return what + "."  # the value may be a secret
    if trait.name == "port" or "should not be" in error:
        return f"{shown}: must be {_range(trait)}, not {str(value)[:80]!r}."
    if "was provided" in error or "expected" in error or not error:
        return f"{what}, not {str(value)[:80]!r}."
    return f"{shown}: {error.rstrip('.')}."


def _range(trait: Any) -> str:
    low, high = getattr(trait, "min", None), getattr(trait, "max", None)
    if low is not None and high is not None:
        return f"a number from {low} to {high}"
    return f"a number of at least {low}" if low is not None else f"a number of at most {high}"


def _where(error: BaseException, path: str) -> str:
    trace, line = error.__traceback__, None
    while trace:
        if trace.tb_frame.f_code.co_filename == path:
            line = trace.tb_lineno
        trace = trace.tb_next
    return f"line {line}: " if line else ""
