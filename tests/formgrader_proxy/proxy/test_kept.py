"""What is kept of earlier requests is bounded."""

from services.formgrader_proxy.proxy.kept import Kept


def test_the_oldest_goes_first() -> None:
    """However many come, no more are kept than may be."""
    kept: Kept[int, str] = Kept(3)
    assert [kept.put(number, str(number)) for number in range(5)] == ["0", "1", "2", "3", "4"]
    assert [kept.get(number) for number in range(5)] == [None, None, "2", "3", "4"]
    assert len(kept) == 3


def test_what_comes_again_takes_no_place_of_another() -> None:
    """A value that is there is replaced where it stands."""
    kept: Kept[int, str] = Kept(2)
    kept.put(1, "a")
    kept.put(2, "b")
    kept.put(2, "c")
    assert (kept.get(1), kept.get(2), len(kept)) == ("a", "c", 2)
