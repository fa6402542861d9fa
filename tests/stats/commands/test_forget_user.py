"""Erasing a person's data."""

from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from services.stats.commands.forget_user import forget_user
from services.stats.pseudonyms import Pseudonyms
from services.stats.records import Changes, Person
from services.stats.store.store import Store
from tests.stats.conftest import Run


def test_forget_user(demo: Run) -> None:
    """An erased person is in no export any more; an unknown name gives exit code 1."""
    assert demo("forget-user", "made-up-0007")[0] == 0
    demo("export", "out")
    for file in Path("out").iterdir():
        assert "made-up-0007" not in file.read_text("utf-8")
    code, out, _ = demo("forget-user", "made-up-0007")
    assert (code, out) == (1, "No data about made-up-0007.\n")


async def test_a_name_is_hashed_before_it_is_erased(tmp_path: Path) -> None:
    """With pseudonyms, the person of this name is found under their hash."""
    pseudonyms = Pseudonyms(b"0123456789abcdef")
    start = datetime(2026, 3, 2, tzinfo=UTC)
    store = await Store.open(f"sqlite:///{tmp_path / 'stats.sqlite'}", ZoneInfo("UTC"))
    changes = Changes(newcomers=[Person(1, pseudonyms.name("ana"), start, start)])
    await store.write(changes, leader=await store.take_leadership())
    assert (await forget_user(store, "ana", None))[0] is False
    found, text = await forget_user(store, "ana", pseudonyms)
    assert found
    assert text.startswith("All data about ana has been erased.")
    assert (await store.load_state()).people == {}
    await store.close()
