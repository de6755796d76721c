"""What questions keep for the next ones: that which was used last, up to a bound."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any


def used(kept: OrderedDict[Any, Any], key: Any, most: int, weight: Callable[[Any], int] = lambda _: 1) -> Any:
    """The value of a key, which is the last to go now; the others go, the oldest first, beyond `most` in all.

    weight: of a value; the one that was used stays, whatever it weighs.
    """
    kept.move_to_end(key)
    while len(kept) > 1 and sum(map(weight, kept.values())) > most:
        kept.popitem(last=False)
    return kept[key]
