"""References, and hypotheses, in which some words may be read in more than one way.

`{ gonna / going to / @ }` is a choice of NIST's transcripts: any of its alternatives counts as right, `@` is no word
at all. A prepared text carries choices as tokens of their own (OPEN, OR, CLOSE), and `resolve` takes the reading of
both texts that costs the scorer least; then nothing is left to choose, and the texts are aligned as all others are.
Of readings that cost the same, the one with the most hits is taken, as sclite does, then the one that is written first.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from .alignment import TooLongError

OPEN, OR, CLOSE = "\ufdd0{", "\ufdd0/", "\ufdd0}"
"""Begin with a noncharacter of Unicode, which no prepared text holds otherwise."""
NONCHARACTER = "\ufdd0"
_DEEPEST = 8
_MOST_STEPS = 4_000_000


class Choice(NamedTuple):
    """Alternatives, each a list of texts and further choices; an empty one stands for no word."""

    alternatives: tuple[tuple[str | Choice, ...], ...]


class Costs(NamedTuple):
    substitution: int
    gap: int


def parse(text: str) -> list[str | Choice]:
    """The pieces of a text with choices. One that is not well formed is ordinary text.

    `/` and `@` stand between white space, as sclite wants them; braces may touch words.
    """
    words = text.replace("{", " { ").replace("}", " } ").split()
    if "{" not in words:
        return [text]
    found = _parse(iter(words), 0)
    return [text] if found is None else list(found[0])


def _parse(words: Iterator[str], depth: int) -> tuple[tuple[str | Choice, ...], ...] | None:
    """The alternatives up to the closing brace, or up to the end; None where they are not well formed."""
    alternatives: list[list[str | Choice]] = [[]]
    plain: list[str] = []

    def flush() -> None:
        if plain:
            alternatives[-1].append(" ".join(plain))
            plain.clear()

    for word in words:
        if word == "{":
            inner = _parse(words, depth + 1) if depth < _DEEPEST else None
            if inner is None:
                return None
            flush()
            alternatives[-1].append(Choice(inner))
        elif depth and word == "/":
            flush()
            alternatives.append([])
        elif word == "}":
            flush()
            return tuple(map(tuple, alternatives)) if depth else None
        elif not (depth and word == "@"):
            plain.append(word)
    flush()
    return None if depth else tuple(map(tuple, alternatives))


def flat(pieces: Iterable[Sequence[str] | Choice]) -> Iterator[str]:
    """Tokens of the pieces, choices between their marks; the texts of choices must be tokens by now."""
    for piece in pieces:
        if isinstance(piece, Choice):
            yield from _flat_choice(piece)
        else:
            yield from piece


def _flat_choice(choice: Choice) -> Iterator[str]:
    yield OPEN
    for number, alternative in enumerate(choice.alternatives):
        if number:
            yield OR
        for piece in alternative:
            if isinstance(piece, Choice):
                yield from _flat_choice(piece)
            else:
                yield piece
    yield CLOSE


def with_completions(reference: Sequence[str], hypothesis: Sequence[str]) -> Sequence[str]:
    """The reference, in which a fragment (`th-`, `-tion`) may also be any word of the hypothesis that goes on so."""
    if not any("-" in (token[0], token[-1]) for token in reference):
        return reference
    made: list[str] = []
    inside = 0
    for token in reference:
        inside += (token == OPEN) - (token == CLOSE)
        whole = () if inside else _completions(token, hypothesis)
        made += [OPEN, token, *(each for word in whole for each in (OR, word)), CLOSE] if whole else [token]
    return made


def _completions(token: str, hypothesis: Sequence[str]) -> list[str]:
    if len(token) > 1 and token[-1] == "-":
        return [word for word in dict.fromkeys(hypothesis) if word.startswith(token[:-1])]
    if len(token) > 1 and token[0] == "-":
        return [word for word in dict.fromkeys(hypothesis) if word.endswith(token[1:])]
    return []


class Edge(NamedTuple):
    """From a node to a later one; None is passed without a token."""

    source: int
    target: int
    token: str | None


def network(tokens: Sequence[str]) -> list[Edge]:
    """The edges of a prepared text, sorted by their sources; the last node is the greatest target."""
    edges: list[Edge] = []
    starts: list[int] = []
    ends: list[list[int]] = []
    here = last = 0
    for token in tokens:
        if token == OPEN:
            starts.append(here)
            ends.append([])
            last += 1
            edges.append(Edge(here, last, None))
            here = last
        elif token in (OR, CLOSE):
            ends[-1].append(here)
            last += 1
            if token == OR:
                edges.append(Edge(starts[-1], last, None))
            else:
                edges += [Edge(end, last, None) for end in ends.pop()]
                starts.pop()
            here = last
        else:
            last += 1
            edges.append(Edge(here, last, token))
            here = last
    return edges


def resolve(
    reference: Sequence[str], hypothesis: Sequence[str], costs: Costs
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Both texts without choices, read so that their alignment costs least.

    Raises TooLongError where that would take seconds.
    """
    left, right = _Network(network(reference)), _Network(network(hypothesis))
    if len(left.edges) * len(right.edges) > _MOST_STEPS:
        raise TooLongError(
            f"{len(reference)} reference and {len(hypothesis)} hypothesis tokens are too many for choices "
            "between alternatives: cut the recording into utterances"
        )
    return _best(left, right, costs)


class _Network:
    def __init__(self, edges: list[Edge]) -> None:
        self.edges = edges
        self.last = max((edge.target for edge in edges), default=0)
        self.into: list[list[Edge]] = [[] for _ in range(self.last + 1)]
        for edge in edges:
            self.into[edge.target].append(edge)


_Way = tuple[int, int, int, "Edge | None", "Edge | None"]
"""(cost, hits below zero, number of the first readings given up, edge of the reference, edge of the hypothesis)"""


def _best(left: _Network, right: _Network, costs: Costs) -> tuple[tuple[str, ...], tuple[str, ...]]:
    table: list[list[_Way]] = []
    for i in range(left.last + 1):
        row: list[_Way] = []
        table.append(row)
        for j in range(right.last + 1):
            if i == j == 0:
                row.append((0, 0, 0, None, None))
                continue
            row.append(min(_ways(table, left.into[i], right.into[j], i, j, costs), key=_rank))
    return _read(table, left.last, right.last)


def _rank(way: _Way) -> tuple[int, int, int]:
    return way[:3]


def _ways(
    table: list[list[_Way]], ins: list[Edge], also: list[Edge], i: int, j: int, costs: Costs
) -> Iterator[_Way]:
    for place, edge in enumerate(ins):
        cost, hits, later, _, _ = table[edge.source][j]
        yield cost + (costs.gap if edge.token is not None else 0), hits, later + place, edge, None
        if edge.token is None:
            continue
        for other in also:
            if other.token is None:
                continue
            cost, hits, later, _, _ = table[edge.source][other.source]
            if edge.token == other.token:
                yield cost, hits - 1, later, edge, other
            else:
                yield cost + costs.substitution, hits, later, edge, other
    for place, other in enumerate(also):
        cost, hits, later, _, _ = table[i][other.source]
        yield cost + (costs.gap if other.token is not None else 0), hits, later + place, None, other


def _read(table: list[list[_Way]], i: int, j: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    left: list[str] = []
    right: list[str] = []
    while i or j:
        *_, edge, other = table[i][j]
        if edge is not None:
            i = edge.source
            left += [edge.token] if edge.token is not None else []
        if other is not None:
            j = other.source
            right += [other.token] if other.token is not None else []
    return tuple(reversed(left)), tuple(reversed(right))
