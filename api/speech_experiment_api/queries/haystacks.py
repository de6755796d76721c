"""The texts of an evaluation's utterances as one, to be searched again with every letter that is typed."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from .kept import used
from .packed import Scored, hypotheses_of, names_of, references_of
from .reading import Reading

_ROW, _FIELD = b"\xff", b"\xfe"
"""Ends of utterances and between their texts: bytes that UTF-8 does not have, so no text holds them."""
_KEPT_BYTES = 64 << 20
"""Of all haystacks together; 100,000 utterances of twelve words take about 15 MB."""


class Haystack:
    """Texts with their utterances, upper and lower case alike."""

    def __init__(self, utterances: Iterable[tuple[str, str, str]]) -> None:
        rows = [_FIELD.join(text.casefold().encode() for text in texts) for texts in utterances]
        self._text = _ROW.join(rows) + _ROW
        self._ends = list(accumulate((len(row) + 1 for row in rows), initial=-1))[1:]

    def __len__(self) -> int:
        """Bytes."""
        return len(self._text)

    def containing(self, words: str) -> NDArray[np.bool_]:
        """Whether each utterance has the words in one of its texts."""
        found = np.zeros(len(self._ends), np.bool_)
        wanted = words.casefold().encode()
        at = self._text.find(wanted)
        while at >= 0:
            row = bisect_left(self._ends, at)
            if row == len(self._ends):
                break
            found[row] = True
            at = self._text.find(wanted, self._ends[row])
        return found


async def haystack_of(read: Reading, scored: Scored) -> Haystack:
    """The ids, references and hypotheses of an evaluation at its revision."""
    kept = read.services.stores.haystacks
    key = (read.tables.scores, scored.row["id"], scored.row["base"], scored.row["number"])
    if key not in kept:
        names = await names_of(read, scored.row)
        references = await references_of(read, scored.row, dict(enumerate(names)))
        hypotheses = await hypotheses_of(read, scored.row, scored.columns, range(len(names)))
        kept[key] = Haystack(
            (name, references[place], hypotheses[place] or "") for place, name in enumerate(names)
        )
    found: Haystack = used(kept, key, _KEPT_BYTES, len)
    return found
