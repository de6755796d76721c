from __future__ import annotations

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from speech_experiment_consumers.feed import Bundle, Feed
from speech_experiment_consumers.sink import Incoming


def bundle(sizes: list[int], first: int = 0) -> Bundle:
    records = [Incoming("runs", 0, first + i, 0, None, bytes(size), ()) for i, size in enumerate(sizes)]
    return Bundle(records, sum(sizes))


@given(
    st.lists(st.lists(st.integers(0, 40), min_size=1, max_size=8), min_size=1, max_size=8),
    st.integers(1, 6),
    st.integers(1, 100),
)
def test_batches_keep_order_and_limits_and_lose_nothing(
    fetches: list[list[int]], records: int, size: int
) -> None:
    async def run() -> list[list[Incoming]]:
        feed = Feed(max_records=records, max_bytes=size, held_bytes=10)
        first = 0
        for sizes in fetches:
            feed.put(bundle(sizes, first))
            first += len(sizes)
        batches = []
        while feed.waiting:
            batches.append(await feed.take())
        assert feed.size == 0
        assert await feed.room(0)
        return batches

    batches = asyncio.run(run())
    offsets = [record.offset for batch in batches for record in batch]
    assert offsets == list(range(sum(map(len, fetches))))
    for batch in batches:
        assert 1 <= len(batch) <= records
        assert len(batch) == 1 or sum(len(record.value) for record in batch) <= size


def test_fetching_pauses_while_too_much_waits() -> None:
    async def run() -> None:
        feed = Feed(max_records=10, max_bytes=1_000, held_bytes=100)
        feed.put(bundle([60]))
        assert await feed.room(0)
        feed.put(bundle([60], 1))
        assert not await feed.room(0)
        waiting = asyncio.create_task(feed.room(5))
        await asyncio.sleep(0)
        await feed.take()
        assert await waiting

    asyncio.run(run())


def test_clearing_forgets_what_waits() -> None:
    async def run() -> None:
        feed = Feed(max_records=10, max_bytes=1_000, held_bytes=10)
        feed.put(bundle([60]))
        feed.clear()
        assert await feed.room(0)
        assert not feed.waiting
        feed.put(bundle([5], 7))
        assert [record.offset for record in await feed.take()] == [7]

    asyncio.run(run())
