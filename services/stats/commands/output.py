"""Where a command writes what it prints: standard output, or a new file."""

from pathlib import Path

from common.errors import ConfigError


def output_problems(name: str) -> list[str]:
    """What is wrong with the value of ``--output``; "" stands for standard output."""
    path = Path(name)
    if not name:
        return []
    if path.exists():
        return [f"--output: {name} exists already; choose another name, or delete it first."]
    if not path.parent.is_dir():
        return [f"--output: there is no directory {path.parent}."]
    return []


def write_output(text: str, name: str) -> None:
    """Write to a new file of this name, or to standard output.

    :raises ConfigError: the file cannot be written, or exists by now
    """
    if not name:
        print(text, end="")
        return
    try:
        with Path(name).open("x", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise ConfigError([f"--output: cannot write {name}: {error.strerror}."]) from error
