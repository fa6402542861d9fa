"""No file in git was written by others: libraries and schemas come from packages."""

import re
import subprocess
from pathlib import Path, PurePosixPath

import pytest

from tests.paths import ROOT

#: Names under which other projects publish their files.
FOREIGN_NAMES = (
    *("*.min.js", "*.min.css", "*.min.mjs", "*.bundle.js", "*.map", "*.woff", "*.woff2", "*.ttf"),
    *("schema.json", "*.schema.json", "*.schema.yaml", "LICENSE*", "COPYING*", "NOTICE*"),
)
#: What a copyright notice or a licence in the header of a file looks like.
NOTICE = re.compile(
    r"copyright\s+(\(c\)|©|\d{4})|©\s*\d{4}|spdx-license-identifier\s*:|@(license|preserve)\b|^/\*!",
    re.IGNORECASE | re.MULTILINE,
)
HEADER_BYTES = 4096


def tracked() -> list[str]:
    """Every file in git."""
    done = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        pytest.skip("this is not a git checkout")
    paths = [path for path in done.stdout.split("\0") if path and (ROOT / path).is_file()]
    assert "pyproject.toml" in paths
    return paths


def foreign_name(path: str) -> bool:
    """Whether the name is one under which others publish. Copies of our licence are not."""
    if not any(PurePosixPath(path).match(name) for name in FOREIGN_NAMES):
        return False
    return (ROOT / path).read_bytes() != (ROOT / "LICENSE").read_bytes()


def foreign_header(path: Path) -> bool:
    """Whether the file begins with a copyright notice or a licence."""
    with path.open("rb") as file:
        return NOTICE.search(file.read(HEADER_BYTES).decode("utf-8", "replace")) is not None


def test_no_file_has_a_foreign_name() -> None:
    """No minified script, source map, font, published schema or foreign licence is in git."""
    assert [path for path in tracked() if foreign_name(path)] == []


def test_no_file_has_a_foreign_header() -> None:
    """No file names a copyright holder or a licence in its header, apart from LICENSE."""
    own = (ROOT / "LICENSE").read_bytes()
    found = [path for path in tracked() if foreign_header(ROOT / path)]
    assert [path for path in found if (ROOT / path).read_bytes() != own] == []


@pytest.mark.parametrize(
    "header",
    [
        "/*! https://github.com/leeoniya/uPlot (v1.6.32) */",
        "# Copyright" + " (c) 2024, Example",
        "// SPDX-License" + "-Identifier: MIT",
        " * @" + "license React",
        "<!-- ©" + " 2020 Example -->",
    ],
)
def test_a_foreign_header_is_found(tmp_path: Path, header: str) -> None:
    """The check recognises the usual notices."""
    path = tmp_path / "file"
    path.write_text(f"\n{header}\n", "utf-8")
    assert foreign_header(path)


def test_an_ordinary_file_has_no_foreign_header(tmp_path: Path) -> None:
    """Mentioning a licence in prose is allowed."""
    path = tmp_path / "file"
    path.write_text("The wheel carries uPlot with its copyright notice and licence.\n", "utf-8")
    assert not foreign_header(path)
