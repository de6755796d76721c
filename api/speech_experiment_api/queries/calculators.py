"""Where statistics are computed: apart from the threads that wait for stores, which long computations would take up."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from starlette.requests import Request
from starlette.responses import Response

from .reading import Reading, reading

T = TypeVar("T")
_CALCULATORS = ThreadPoolExecutor(2, "statistics")


async def calculated(work: Callable[[], T]) -> T:
    return await asyncio.get_running_loop().run_in_executor(_CALCULATORS, work)


async def answered(
    request: Request, asked: Callable[[Reading], Awaitable[Callable[[], dict[str, Any]]]]
) -> Response:
    """The answer to a question of which `asked` reads all there is to read; what it returns is computed afterwards."""
    async with reading(request) as read:
        if read.unchanged:
            return read.not_modified()
        work = await asked(read)
    return read.answer(await calculated(work))
