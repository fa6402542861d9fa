"""Uids: unique, permanent, and safe when assigned concurrently."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine, text

from classroom_hub.uids import FIRST_UID, LAST_UID, Uids


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    """An empty SQLite database."""
    engine = create_engine(f"sqlite:///{tmp_path / 'uids.sqlite'}")
    yield engine
    engine.dispose()


def test_a_uid_is_permanent(engine: Engine) -> None:
    """A new instance returns the same uids and continues after the highest."""
    uids = Uids(engine)
    assert [uids.of("ada"), uids.of("名前"), uids.of("o'neill")] == [
        FIRST_UID,
        FIRST_UID + 1,
        FIRST_UID + 2,
    ]
    assert deepcopy(uids.of)("ada") == FIRST_UID  # traitlets copies what a configuration holds
    again = Uids(engine)
    assert again.of("名前") == FIRST_UID + 1
    assert again.of("new") == FIRST_UID + 3


def test_a_higher_first_uid_does_not_change_existing_uids(engine: Engine) -> None:
    """Only new users get uids from the new range."""
    Uids(engine, first=5000).of("ada")
    moved = Uids(engine, first=9000)
    assert moved.of("ada") == 5000
    assert moved.of("bob") == 9000


def test_concurrent_requests_get_distinct_uids(engine: Engine) -> None:
    """Each user gets one uid, also when two threads ask for the same user."""
    names = [f"student{number}" for number in range(40)] * 2
    with ThreadPoolExecutor(8) as pool:
        uids = list(pool.map(Uids(engine).of, names))
    assert len(set(uids)) == 40
    assert uids[:40] == uids[40:]


def test_exhausted_uids_are_an_error(engine: Engine) -> None:
    """No user is stored without a uid."""
    uids = Uids(engine, first=LAST_UID)
    assert uids.of("ada") == LAST_UID
    with pytest.raises(OverflowError):
        uids.of("bob")
    with engine.connect() as connection:
        count = connection.execute(text("SELECT count(*) FROM classroom_uids")).scalar()
    assert count == 1
