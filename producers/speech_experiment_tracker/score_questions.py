"""What a client asks a server about recognition: evaluations, and the server's own scores of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from .asker import Asker, identities, identity

if TYPE_CHECKING:
    from uuid import UUID

    from .evaluations import Evaluation
    from .moments import AsOf
    from .queries import Frame, Row
    from .run import Run


class ScoreQuestions(Asker):
    """Methods that read evaluations and scores. `as_of` is a moment, as Client.search_runs says."""

    def evaluations(
        self,
        run: Run | UUID | str | None = None,
        *,
        test_set: str | None = None,
        profile: str | None = None,
        limit: int = 100,
        as_of: AsOf = None,
    ) -> Frame[Row]:
        """What was recognised on which test set, with scores; the newest first."""
        from .scores import evaluations

        query = {"run": run and identity(run), "test_set": test_set, "profile": profile, "limit": limit}
        return evaluations(self.api(), as_of, **query)

    def scores(
        self,
        test_sets: Sequence[str] = (),
        *,
        profile: str | None = None,
        filter: str | None = None,  # noqa: A002 - the word of the API
        limit: int = 100,
        intervals: bool = False,
        alpha: float = 0.05,
        as_of: AsOf = None,
    ) -> Frame[Row]:
        """Systems × test sets under one scoring profile, the best first: rate, coverage and what makes cells differ.

        intervals  with the certainty of each cell: its interval, and whether it ties with the best of its column at alpha
        """
        from .scores import scores

        query = {"test_set": [*test_sets], "profile": profile, "filter": filter, "limit": limit}
        sure = {"intervals": True, "alpha": alpha} if intervals else {}
        return scores(self.api(), as_of, **query, **sure)

    def replicates(
        self,
        test_sets: Sequence[str] = (),
        *,
        profile: str | None = None,
        filter: str | None = None,  # noqa: A002 - the word of the API
        apart_from: Sequence[str] = (),
        limit: int = 100,
        alpha: float = 0.05,
        as_of: AsOf = None,
    ) -> Frame[Row]:
        """Configurations × test sets over their seeds, the best first: mean, sd, and tests across seeds against the best.

        Runs of one experiment are one configuration when their configs differ in the seed alone (a key `seed`,
        `random_seed`, …, or the tag `seed`). What has a single seed is marked.

        apart_from  config keys that may differ as well, such as output_dir
        """
        from .scores import replicates

        query = {
            "test_set": [*test_sets],
            "profile": profile,
            "filter": filter,
            "apart_from": [apart_from] if isinstance(apart_from, str) else [*apart_from],
            "limit": limit,
            "alpha": alpha,
        }
        return replicates(self.api(), as_of, **query)

    def breakdown(
        self,
        evaluation: Evaluation | UUID | str | Sequence[Evaluation | UUID | str],
        by: str | Sequence[str],
        *,
        profile: str | None = None,
        order: str | None = None,
        intervals: bool = False,
        as_of: AsOf = None,
    ) -> Frame[Row]:
        """Error rates by speaker, language, condition.NAME, length, test_set, domain, …, or by combinations of them.

        order  worst, words or name
        """
        from .scores import breakdown

        factors = [by] if isinstance(by, str) else by
        query = {"profile": profile, "order": order, "intervals": intervals}
        return breakdown(self.api(), identities(evaluation), factors, as_of, **query)

    def utterances(
        self,
        evaluation: Evaluation | UUID | str,
        *,
        search: str | None = None,
        where: str | Sequence[str] = (),
        order: str = "errors",
        decoded: bool = True,
        profile: str | None = None,
        limit: int = 100,
        skip: int = 0,
        as_of: AsOf = None,
    ) -> Frame[Row]:
        """The utterances of an evaluation, what was recognised, and the errors; up to 1,000, from `skip` on.

        search   in id, reference or hypothesis; where: groups, such as "speaker=1272" or "condition.snr=5"
        order    errors, rate or list
        decoded  with what was logged besides the text: n-best, confidences and times of tokens, latencies, the attention
                 plot's artifact
        """
        from .scores import utterances

        query = {
            "search": search,
            "where": [where] if isinstance(where, str) else [*where],
            "order": order,
            "decoded": decoded,
            "profile": profile,
            "limit": limit,
            "skip": skip,
        }
        return utterances(self.api(), identity(evaluation), as_of, **query)

    def latency(
        self,
        evaluations: Evaluation | UUID | str | Sequence[Evaluation | UUID | str],
        *,
        profile: str | None = None,
        as_of: AsOf = None,
    ) -> Frame[Row]:
        """Decoding time, RTF and streaming latency by its parts (mean and quantiles), and what they were measured on."""
        from .scores import latency

        return latency(self.api(), identities(evaluations), as_of, profile=profile)

    def marks(
        self, test_set: str | None = None, *, state: str = "open", limit: int = 100, as_of: AsOf = None
    ) -> Frame[Row]:
        """References that somebody doubts, of one test set or all.

        state  open, dismissed, corrected or all
        """
        from .scores import marks

        return marks(self.api(), as_of, test_set=test_set, state=state, limit=limit)

    def flips(
        self,
        a: Evaluation | UUID | str,
        b: Evaluation | UUID | str,
        *,
        profile: str | None = None,
        common: bool = False,
        limit: int = 50,
        as_of: AsOf = None,
    ) -> Frame[Row]:
        """Utterances on which two evaluations differ.

        common  only the utterances that both have recognised, on the same reference; as in significance

        Raises TrackerError (status 409) where the references differ: it says how.
        """
        from .scores import flips

        query = {"profile": profile, "common": common, "limit": limit}
        return flips(self.api(), identity(a), identity(b), as_of, **query)

    def confusions(
        self,
        evaluation: Evaluation | UUID | str,
        *,
        profile: str | None = None,
        limit: int = 50,
        as_of: AsOf = None,
    ) -> Row:
        """The most frequent substitutions, deletions and insertions of an evaluation, and its rates by length."""
        from .scores import confusions

        return confusions(self.api(), identity(evaluation), as_of, profile=profile, limit=limit)

    def significance(
        self,
        systems: Sequence[Evaluation | Run | UUID | str],
        *,
        test_set: str | None = None,
        profile: str | None = None,
        against: str = "best",
        common: bool = False,
        alpha: float = 0.05,
        as_of: AsOf = None,
    ) -> Row:
        """Systems on one test set: intervals of their rates, and which of them really differ.

        systems   evaluations; or runs, each standing for its newest evaluation on `test_set`
        against   what the others are compared with: best or first
        common    only the utterances that all have recognised, on the same reference

        Raises TrackerError (status 409) where the references differ: it says how.
        """
        from .scores import significance

        query = {
            "test_set": test_set,
            "profile": profile,
            "against": against,
            "common": common,
            "alpha": alpha,
        }
        return significance(self.api(), [identity(each) for each in systems], as_of, **query)

    def power(
        self,
        one: Evaluation | Run | UUID | str,
        other: Evaluation | Run | UUID | str,
        delta: float,
        *,
        test_set: str | None = None,
        profile: str | None = None,
        common: bool = False,
        alpha: float = 0.05,
        power: float = 0.8,
        as_of: AsOf = None,
    ) -> Row:
        """How many utterances and speakers show a difference of rates, judged by two systems on one test set.

        one, other  evaluations; or runs, each standing for its newest evaluation on `test_set`
        delta       the difference to be seen, a fraction: 0.002 for 0.2 points
        power       chance to see it; alpha: of a false claim

        Raises TrackerError (status 409) where the references differ: it says how.
        """
        from .scores import power as asked

        query = {
            "test_set": test_set,
            "profile": profile,
            "common": common,
            "alpha": alpha,
            "power": power,
        }
        return asked(self.api(), [identity(one), identity(other)], delta, as_of, **query)

    def gate(
        self,
        candidate: Run | Evaluation | UUID | str,
        against: Run | Evaluation | UUID | str,
        *,
        max_regress: float = 0.0,
        relative: bool = False,
        test_sets: Sequence[str] = (),
        by: Sequence[str] = (),
        profile: str | None = None,
        common: bool = False,
        strict: bool = False,
        alpha: float = 0.05,
        as_of: AsOf = None,
    ) -> Row:
        """Whether a candidate may replace a reference, per test set and group of speakers: `passed`, and the checks.

        candidate, against  runs, each standing for its newest evaluation on a set; or evaluations
        max_regress         how much higher the rate may be, a fraction: 0.002 for 0.2 points
        test_sets           all of the reference if left out
        """
        from .scores import gate

        query = {
            "max_regress": max_regress,
            "relative": relative,
            "test_set": [*test_sets],
            "by": [by] if isinstance(by, str) else [*by],
            "profile": profile,
            "common": common,
            "strict": strict,
            "alpha": alpha,
        }
        return gate(self.api(), identity(candidate), identity(against), as_of, **query)

    def alignment(
        self,
        evaluations: Sequence[Evaluation | UUID | str],
        utterance: str,
        *,
        profile: str | None = None,
        as_of: AsOf = None,
    ) -> Row:
        """Hypotheses of several evaluations, aligned to the reference of one utterance."""
        from .scores import alignment

        return alignment(
            self.api(), [identity(each) for each in evaluations], utterance, as_of, profile=profile
        )
