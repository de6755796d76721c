"""A leaderboard of systems and sets out of plain files."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

from speech_experiment_projections.scoring.identity import tools_of
from speech_experiment_projections.scoring.intervals import Interval
from speech_experiment_projections.scoring.profiles import Profile
from speech_experiment_projections.scoring.report import (
    ALPHA,
    Totals,
    breakdown,
    certainty,
    macro,
    standings,
    totals,
)

from ..errors import TrackerError
from ..formats import Format, Utterance
from .layout import FoundSet
from .scoring import Preparer, SetScores, score_set

_MEASURES = {"word": "WER", "phone": "PER", "mixed": "MER"}


class Cell(NamedTuple):
    """A system on a set; no interval without a reference token."""

    totals: Totals
    interval: Interval | None
    drawn: str
    tied: bool
    p: float | None


class Board(NamedTuple):
    """Systems × sets.

    rows        system → set → cell
    breakdowns  set → system → group → totals
    """

    profile: Profile
    alpha: float
    by: str | None
    sets: list[str]
    order: list[str]
    rows: dict[str, dict[str, Cell]]
    breakdowns: dict[str, dict[str, dict[str, Totals]]]
    notes: list[str]

    @property
    def measure(self) -> str:
        return _MEASURES.get(self.profile.unit, "CER")

    def macro(self, system: str) -> float | None:
        """The mean over all sets; None when a system misses one."""
        cells = self.rows[system]
        rates = [cells[name].totals.rate for name in self.sets if name in cells]
        return macro(rates) if len(rates) == len(self.sets) and None not in rates else None

    def document(self) -> dict[str, Any]:
        """For programs; rates are fractions."""
        return {
            "profile": {
                "name": self.profile.name,
                "identity": self.profile.identity.hex(),
                "tools": tools_of(self.profile),
                "unit": self.profile.unit,
            },
            "alpha": self.alpha,
            "sets": self.sets,
            "systems": [
                {
                    "system": system,
                    "macro_over_sets": self.macro(system),
                    "sets": {name: _cell(cell) for name, cell in self.rows[system].items()},
                }
                for system in self.order
            ],
            "by": self.by,
            "groups": {
                name: {
                    system: {group: of(found) for group, found in groups.items()}
                    for system, groups in systems.items()
                }
                for name, systems in self.breakdowns.items()
            },
            "notes": self.notes,
        }


def of(found: Totals) -> dict[str, Any]:
    """Totals for programs."""
    counts = found.counts
    return {
        "rate": found.rate,
        "errors": counts.errors,
        "reference_tokens": counts.reference,
        "hits": counts.hits,
        "substitutions": counts.substitutions,
        "deletions": counts.deletions,
        "insertions": counts.insertions,
        "sentence_rate": found.sentence_rate,
        "mean_of_speakers": found.mean_of_speakers,
        "mean_of_utterances": found.mean_of_utterances,
        "utterances": found.utterances,
        "scored": found.scored,
        "coverage": found.coverage,
        "speakers": found.speakers,
    }


def _cell(cell: Cell) -> dict[str, Any]:
    interval = cell.interval
    shown = (
        {"low": interval.low, "high": interval.high, "drawn": cell.drawn, "units": interval.units}
        if interval
        else None
    )
    return {**of(cell.totals), "interval": shown, "tied_with_best": cell.tied, "p_against_best": cell.p}


def make_board(
    sets: Sequence[FoundSet],
    profile: Profile,
    *,
    language: str | None = None,
    by: str | None = None,
    form: Format | None = None,
    encoding: str = "utf-8",
    alpha: float = ALPHA,
    told: Callable[[str], None] = lambda _: None,
) -> Board:
    """Scores all systems on all sets.

    Raises TrackerError that names file and line.
    """
    prepare = Preparer(profile, language)
    board = Board(profile, alpha, by, [each.name for each in sets], [], {}, {}, [])
    for found in sets:
        hear = partial(_tell, told, found.name)
        _add(board, score_set(found, prepare, form=form, encoding=encoding, told=hear))
    order = sorted(board.rows, key=lambda system: _place(board, system))
    board.order.extend(order)
    return board


def _tell(told: Callable[[str], None], test_set: str, system: str) -> None:
    told(f"{test_set} {system}")


def _place(board: Board, system: str) -> tuple[int, float, str]:
    """Those that miss fewer sets first, then by their mean."""
    rates = [cell.totals.rate for cell in board.rows[system].values() if cell.totals.rate is not None]
    return -len(rates), macro(rates) or 0.0, system


def _add(board: Board, scored: SetScores) -> None:
    places = {each.system: each for each in standings(scored.scores, alpha=board.alpha)}
    board.notes.extend(scored.notes)
    for system, scores in scored.scores.items():
        found = totals(scores)
        place = places.get(system)
        sure = certainty(scores) if place else None
        alone = len(places) < 2
        board.rows.setdefault(system, {})[scored.name] = Cell(
            found,
            sure.interval if sure else None,
            sure.drawn if sure else "utterances",
            bool(place and place.tied and not alone),
            place.p if place else None,
        )
        if sure:
            board.notes.extend(f"{scored.name}: {warning}" for warning in sure.warnings)
    if board.by:
        groups = groups_of(scored.utterances, board.by)
        board.breakdowns[scored.name] = {
            system: breakdown(each, groups) for system, each in scored.scores.items()
        }


def groups_of(utterances: Sequence[Utterance], by: str) -> list[str]:
    """The group of each utterance; raises TrackerError for a condition that no utterance has."""
    if by == "speaker":
        found = [each.speaker or "" for each in utterances]
    elif by == "language":
        found = [each.language or "" for each in utterances]
    else:
        found = [each.conditions.get(by, "") for each in utterances]
    if not any(found):
        known: Mapping[str, None] = dict.fromkeys(name for each in utterances for name in each.conditions)
        raise TrackerError(
            f"no utterance has the condition {by!r}",
            f"there are speaker, language{''.join(f', {name}' for name in known)}",
        )
    return found
