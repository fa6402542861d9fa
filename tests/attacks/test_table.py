"""The table of attacks is complete: every row is executed, and every executed attack is a row."""

import ast
from collections.abc import Iterator

from tests.attacks import table
from tests.paths import ROOT


def executed() -> Iterator[str]:
    """The names in the marks ``pytest.mark.attack("name")`` of all tests."""
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(node, ast.Call) or ast.unparse(node.func) != "pytest.mark.attack":
                continue
            for argument in node.args:
                yield str(ast.literal_eval(argument))


def test_every_attack_in_the_table_is_executed() -> None:
    """A row without a test claims what nobody checked."""
    assert set(table.ATTACKS) | set(table.ON_PURPOSE) == set(executed())


def test_sections_share_no_name() -> None:
    """The names of all attacks differ."""
    sections = (table.PAGES, table.BROWSER, table.SANDBOX, table.PROCESS, table.ACCESS)
    names = [name for section in (*sections, table.ON_PURPOSE) for name in section]
    assert len(names) == len(set(names))


def test_every_row_says_who_what_and_the_outcome() -> None:
    """No cell of the table is empty."""
    for row in (*table.ATTACKS.values(), *table.ON_PURPOSE.values()):
        assert all(row)


def test_what_is_possible_on_purpose_is_documented() -> None:
    """The page that a row names exists and names the setting."""
    for row in table.ON_PURPOSE.values():
        assert row.setting in (ROOT / row.documented_in).read_text("utf-8")
