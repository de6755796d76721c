"""Where the curves of a resumed run join those of its earlier attempts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

_PATIENCE = 100
"""Calls that may pass without one that tells where the script goes on."""


class Seam:
    """Earlier attempts count up to `step`; None: nothing of them is abandoned.

    The checkpoint says where, but the script may begin anew, or go on from a file of its own. Hence the
    first call that logs a metric which had come furthest decides: no point is doubled, and none is cut
    off that the script does not log again. Metrics on another axis, such as epochs, decide nothing.

    step        of the checkpoint at first
    last_steps  key → last step of the attempts before
    fixed       the script has said the step itself
    settled     nothing will change any more
    """

    def __init__(
        self, step: int | None, last_steps: Mapping[str, int] | None = None, *, fixed: bool = False
    ) -> None:
        self.step = step
        furthest = max((last_steps or {}).values(), default=None)
        self._leading = {key for key, last in (last_steps or {}).items() if last == furthest}
        self._left = _PATIENCE
        self.settled = fixed or not self._leading

    def meet(self, keys: Iterable[str], step: int | None, *, announced: bool) -> bool:
        """Takes in a call; whether `step` has to be announced (anew).

        announced  `step` as it is was announced: of several announcements the smallest counts
        """
        if self.settled:
            return False
        if step is None or self._leading.isdisjoint(keys):
            self._left -= 1
            self.settled = self._left <= 0
            return False
        self.settled = True
        before = step - 1
        if announced and self.step is not None and before >= self.step:
            return False
        changed, self.step = before != self.step, before
        return changed
