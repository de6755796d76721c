"""Thousands of schedules of the protocol's model, and the known mistakes that they must find."""

from __future__ import annotations

import os
from dataclasses import fields

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from .protocol import Flaws, System

sizes = st.integers(1, 4)
SCHEDULES = int(os.environ.get("SPEECH_TRACKER_TEST_SCHEDULES", "400"))


class Schedule(RuleBasedStateMachine):
    """Any order of calls, sends, losses, repetitions, crashes, parkings, replays and rewinds."""

    flaws = Flaws()

    def __init__(self) -> None:
        super().__init__()
        self.system = System(self.flaws)

    @rule()
    def log_call(self) -> None:
        self.system.log_call()

    @rule(size=sizes)
    def send(self, size: int) -> None:
        self.system.send(size)

    @precondition(lambda self: self.system.wire)
    @rule(data=st.data(), answered=st.booleans())
    def arrive(self, data: st.DataObject, answered: bool) -> None:
        self.system.arrive(data.draw(st.integers(0, len(self.system.wire) - 1)), answered)

    @rule(cursor=st.integers(0, 3))
    def spool_restored(self, cursor: int) -> None:
        self.system.spool_restored(cursor)

    @rule(size=sizes, crash_after=st.sampled_from([1, 2, 3, 3]))
    def write(self, size: int, crash_after: int) -> None:
        self.system.write(size, crash_after)

    @rule()
    def park(self) -> None:
        self.system.park()

    @rule()
    def replay(self) -> None:
        self.system.replay()

    @rule(back=st.integers(1, 3))
    def rewind(self, back: int) -> None:
        self.system.rewind(back)

    @invariant()
    def nothing_is_there_that_must_not_be(self) -> None:
        self.system.check_now()

    def teardown(self) -> None:
        self.system.quiesce()
        self.system.check_now()
        self.system.check_at_rest()


def explore(flaws: Flaws, examples: int) -> None:
    machine = type("Schedule", (Schedule,), {"flaws": flaws})
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=30,
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_no_schedule_loses_or_doubles_a_call() -> None:
    explore(Flaws(), SCHEDULES)


@pytest.mark.parametrize("flaw", [field.name for field in fields(Flaws)])
def test_a_known_mistake_is_found_when_it_is_put_back_in(flaw: str) -> None:
    with pytest.raises(AssertionError):
        explore(Flaws(**{flaw: True}), 3_000)
