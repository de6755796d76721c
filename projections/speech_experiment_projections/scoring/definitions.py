"""What a number means: the measure, the tool that computed it, and every setting that changes it.

Two numbers of a task stand side by side only when their definitions are equal; `differences` says what
is not. The identity is a hash of the canonical JSON, so that definitions can be compared without being read.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

from speech_experiment_schemas.measurements import MeasurementDefinition as Definition
from speech_experiment_schemas.measurements import Task, definition_identity

__all__ = ["OURS", "Definition", "Setting", "define", "definition_identity", "differences"]

Setting = bool | int | float | str | None
OURS = "speech-experiment-tracker"
_REVISION = "1"
"""Of the measures that are computed here: a new one where any of their numbers changes."""


def define(task: Task, tool: str, **settings: Setting) -> Definition:
    """The definition of numbers that the installed version of a distribution, or we ourselves, compute."""
    made_by = _REVISION if tool == OURS else version(tool)
    return Definition(task=task, tool=tool, version=made_by, settings=settings)


def differences(one: Definition, other: Definition) -> dict[str, tuple[Any, Any]]:
    """{what differs: (of the one, of the other)}; None where a definition lacks a setting."""
    mine, yours = _flat(one), _flat(other)
    names = dict.fromkeys([*mine, *yours])
    return {name: (mine.get(name), yours.get(name)) for name in names if mine.get(name) != yours.get(name)}


def _flat(definition: Definition) -> Mapping[str, Any]:
    heads = {"task": definition.task, "tool": definition.tool, "version": definition.version}
    return {**heads, **definition.settings}
