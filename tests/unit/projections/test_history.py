"""What the tables keep of a run gives its state at every offset: the fold of the events before it."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from speech_experiment_projections import runs
from speech_experiment_projections.contacts import MOST_BEATS, Beat, contacts, last_before, pack, unpack
from speech_experiment_projections.history import Kept, recall
from speech_experiment_projections.recorded import Recorded
from speech_experiment_projections.runs import Run, Version
from speech_experiment_projections.texts import to_json
from speech_experiment_schemas.runs import RunHeartbeat, RunOutput
from tests.unit.projections.logs import RUN, admitted, fold_run, run_logs, seal

Log = list[tuple[int, msgspec.Struct]]


class Tables:
    """The tables of one run, as plain lists."""

    def __init__(self, events: list[Recorded]) -> None:
        self.versions: list[tuple[int, Version]] = []
        self.beats: list[tuple[Beat, str]] = []
        self.output: list[Beat] = []
        run: Run | None = None
        for event in events:
            run = self._take(event, run)
        self.contacts = contacts(self.beats)

    def _take(self, event: Recorded, known: Run | None) -> Run:
        run = runs.evolve(known, event)
        if run.version_offset == event.offset:
            self.versions.append((event.offset, runs.dump_version(run, known)))
        if isinstance(event.payload, RunHeartbeat):
            self.beats.append((Beat(event.offset, event.time), to_json(run.problems)))
        if isinstance(event.payload, RunOutput):
            self.output.append(Beat(event.offset, event.time))
        return run

    def kept(self, before: int) -> Kept:
        made = [version for offset, version in self.versions if offset < before]
        contact = [each for each in self.contacts if each.from_offset < before][-1:]
        return Kept(
            made[-1].state,
            next((version.config for version in reversed(made) if version.config is not None), None),
            next((each.environment for each in reversed(made) if each.environment is not None), None),
            msgspec.json.decode(contact[0].problems) if contact else None,
            contact[0].beats if contact else b"",
            max((sign for sign in self.output if sign.offset < before), default=None),
        )


@given(run_logs)
def test_a_run_as_of_an_offset_is_the_fold_of_what_came_before(log: Log) -> None:
    events = admitted(seal(("run", RUN), log))
    tables = Tables(events)
    for cut in range(1, len(events) + 1):
        expected = fold_run(events[:cut])
        found = recall(tables.kept(events[cut - 1].offset + 1), events[cut - 1].offset + 1)
        assert repr(found) == repr(expected)


@given(st.lists(st.integers(0, 3), max_size=400), st.integers(0, 1_000))
def test_contacts_hold_every_beat_and_tell_the_last_before_an_offset(gaps: list[int], before: int) -> None:
    offset, beats = 0, []
    for gap in gaps:
        offset += gap + 1
        beats.append((Beat(offset, 10 * offset), "{}" if gap else '{"dropped":1}'))
    found = contacts(beats)
    assert [beat for each in found for beat in unpack(each.beats)] == [beat for beat, _ in beats]
    assert all(len(list(unpack(each.beats))) <= MOST_BEATS for each in found)
    earlier = [beat for beat, _ in beats if beat.offset < before]
    assert last_before(pack(beat for beat, _ in beats), before) == (earlier[-1] if earlier else None)


def test_config_and_environment_stand_only_where_they_changed() -> None:
    from speech_experiment_schemas.runs import RunConfigured, RunTagged

    log: Log = [
        (0, RunTagged(tags={"a": "1"})),
        (0, RunConfigured(config={"lr": 1})),
        (0, RunTagged(tags={"a": "2"})),
        (0, RunConfigured(config={"lr": 2})),
    ]
    made = [version for _, version in Tables(admitted(seal(("run", RUN), log))).versions]
    assert [version.config is not None for version in made] == [False, True, False, True]
    assert all(version.environment is None for version in made)
