"""What a client asks a server about runs: runs, leaderboards, measurements of other tasks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from .asker import Asker, identity

if TYPE_CHECKING:
    from uuid import UUID

    from .moments import AsOf
    from .queries import Frame, Row, RunRecord
    from .run import Run


class RunQuestions(Asker):
    """Methods that read runs and what they logged. `as_of` is a moment, as search_runs says."""

    def search_runs(
        self,
        filter: str | None = None,  # noqa: A002 - the word of the API
        order_by: str | None = None,
        limit: int | None = 50,
        as_of: AsOf = None,
    ) -> Frame[RunRecord]:
        """Runs by the filter language, for example "task = 'asr' and params.encoder_layers >= 12".

        order_by  for example "metrics.val_wer" or "created_at desc"
        limit     None: all of them
        as_of     as it was: a date, a datetime, "last tuesday", "3 days ago", or the vector of an answer
        """
        from .queries import search_runs

        return search_runs(self.api(), filter, order_by, limit, as_of)

    def find(self, words: str, limit: int = 6, as_of: AsOf = None) -> Row:
        """What has a name with all of these words: experiments, runs, test_sets, evaluations and people.

        limit  of each kind, up to 20
        """
        from .queries import sent

        answer: Row = self.api().get("/api/v1/search", {"q": words, "limit": limit, "as_of": sent(as_of)})
        return answer

    def get_run(self, run: Run | UUID | str, as_of: AsOf = None) -> RunRecord:
        """All that the server knows of a run, or knew as_of a moment; see search_runs.

        The record keeps the moment: its curves, metrics and artifacts are those of then.

        Raises TrackerError (status 404) for an unknown run.
        """
        from .queries import get_run

        return get_run(self.api(), identity(run), as_of)

    def leaderboard(
        self,
        metric: str = "wer",
        test_sets: Sequence[str] = (),
        filter: str | None = None,  # noqa: A002 - the word of the API
        limit: int = 100,
        as_of: AsOf = None,
    ) -> Frame[Row]:
        """Runs by their results on test sets, the best first: what was best, or was best as_of a moment.

        test_sets  the ones with most results if left out
        """
        from .queries import leaderboard

        return leaderboard(self.api(), metric, test_sets, filter, limit, as_of)

    def measurements(
        self,
        task: str | None = None,
        test_set: str | None = None,
        *,
        run: Run | UUID | str | None = None,
        definition: str | None = None,
        limit: int = 100,
        as_of: AsOf = None,
    ) -> Frame[Row]:
        """What runs measured of tasks other than recognition, the newest first.

        definition  only those of one, by its identity or the beginning of it
        """
        from .queries import measurements

        asked = None if run is None else str(identity(run))
        return measurements(self.api(), task, test_set, asked, definition, limit, as_of)

    def compare_measurements(
        self, task: str, test_set: str, *, definition: str | None = None, as_of: AsOf = None
    ) -> Frame[Row]:
        """Systems by their newest measurement of a task on one test set, the best first.

        `against_best` tells how far each is from the best: difference, interval and share of draws in which it is better,
        where the numbers are pooled from recordings, sessions or utterances (the paired bootstrap over those of both).

        Raises TrackerError (status 409) where the numbers do not mean the same: it names what differs, and `definition`
        takes one of them.
        """
        from .queries import compare_measurements

        return compare_measurements(self.api(), task, test_set, definition, as_of)
