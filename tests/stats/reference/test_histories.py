"""The product and the reference give the same figures, whatever happened and went wrong."""

import asyncio

from hypothesis import given, settings

from tests.stats.reference.comparison import Comparison, reference
from tests.stats.reference.history import History
from tests.stats.reference.product import Player
from tests.stats.reference.strategies import histories


async def check(playing: Player, history: History) -> None:
    """Everything that the product says about a history is what the reference says."""
    played = await playing.play(history)
    try:
        days = reference(played)
        if days is None:
            assert await played.queries.span() is None
        else:
            await Comparison(played, days).all()
    finally:
        await played.queries.store.close()


@settings(max_examples=30, derandomize=True)
@given(history=histories())
def test_histories(runner: asyncio.Runner, playing: Player, history: History) -> None:
    """Every figure of every audience, after any history."""
    runner.run(check(playing, history))
