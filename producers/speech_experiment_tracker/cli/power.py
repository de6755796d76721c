"""`speech-tracker power`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from ..errors import TrackerError
from .output import console, pairs, print_json
from .scored import need_scoring, rate_given
from .server import connect
from .significance import system_id

app = typer.Typer(add_completion=False)


@app.command()
def power(
    delta: Annotated[
        str, typer.Option("--delta", help="The difference of rates to be seen, in points: 0.2%.")
    ],
    wer: Annotated[
        str | None, typer.Option("--wer", help="The rate one expects, e.g. 5%; without a pilot.")
    ] = None,
    pilot: Annotated[
        list[str] | None,
        typer.Option(
            "--pilot",
            help="Two systems; give it twice: files of hypotheses with --ref, or with --on runs by name or id, or evaluations.",
        ),
    ] = None,
    ref: Annotated[Path | None, typer.Option("--ref", help="References of the pilot's files.")] = None,
    on: Annotated[
        str | None,
        typer.Option(
            "--on", "-t", metavar="TEST_SET", help="The test set on which the server scored the pilot."
        ),
    ] = None,
    common: Annotated[
        bool,
        typer.Option("--common", help="Only utterances that both have recognised, on the same reference."),
    ] = False,
    seed_sd: Annotated[
        str | None,
        typer.Option("--seed-sd", help="Deviation of the rate over seeds, e.g. 0.1%: says how many seeds."),
    ] = None,
    profile: Annotated[str, typer.Option("--profile", "-p", help="Of the pilot.")] = "basic-wer",
    words_per_utterance: Annotated[
        float, typer.Option(min=0.1, help="To turn words into utterances.")
    ] = 12.0,
    correlation: Annotated[float, typer.Option(help="How much both systems err on the same words.")] = 0.6,
    overdispersion: Annotated[
        float, typer.Option(help="How much errors come in bursts; speakers: 5 and more.")
    ] = 2.0,
    alpha: Annotated[float, typer.Option(min=1e-6, max=0.5, help="Chance of a false claim.")] = 0.05,
    chance: Annotated[float, typer.Option("--power", min=0.01, max=0.999, help="Chance to see it.")] = 0.8,
    as_json: Annotated[bool, typer.Option("--json", help="JSON for programs.")] = False,
) -> None:
    """How many utterances, speakers or seeds show a difference of error rates.

    From a pilot (two systems on the same utterances, in files or on the server) the spread is measured; without one it is
    assumed, and the assumptions are printed.

    Examples:

      speech-tracker power --wer 5% --delta 0.2%

      speech-tracker power --delta 0.2% --pilot old.trn --pilot new.trn --ref ref.trn

      speech-tracker power --delta 0.2% --pilot baseline --pilot conformer_12l --on test-other

      speech-tracker power --delta 0.2% --seed-sd 0.1%
    """
    wanted = rate_given(delta, "--delta")
    if sum(given is not None for given in (wer, seed_sd, pilot or None)) != 1:
        raise typer.BadParameter("give one of --wer, --pilot (twice) and --seed-sd", param_hint="--wer")
    if pilot and len(pilot) != 2:
        raise typer.BadParameter("give it twice, once for each of two systems", param_hint="--pilot")
    if on is not None and (not pilot or ref):
        raise typer.BadParameter("goes with --pilot alone: the server has the references", param_hint="--on")
    if common and on is None:
        raise typer.BadParameter(
            "goes with --pilot and --on: it chooses among what the server scored", param_hint="--common"
        )
    if on is None:
        need_scoring()
    try:
        if wer is not None:
            found = _assumed(
                rate_given(wer, "--wer"),
                wanted,
                words_per_utterance,
                correlation,
                overdispersion,
                alpha,
                chance,
            )
        elif seed_sd is not None:
            found = _seeds(rate_given(seed_sd, "--seed-sd"), wanted, alpha, chance)
        elif on is not None:
            found = _on_server(pilot or [], on, profile, common, wanted, alpha, chance)
        else:
            found = _measured([Path(each) for each in pilot or []], ref, profile, wanted, alpha, chance)
    except ValueError as error:
        raise TrackerError(str(error), "see speech-tracker power --help") from None
    found |= {"delta": wanted, "alpha": alpha, "power": chance}
    if as_json:
        print_json(found)
    else:
        console().print(
            pairs(
                {
                    name.replace("_", " "): f"{value:,}" if isinstance(value, int) else f"{value:g}"
                    for name, value in found.items()
                }
            )
        )


def _assumed(
    rate: float,
    delta: float,
    length: float,
    correlation: float,
    overdispersion: float,
    alpha: float,
    chance: float,
) -> dict[str, Any]:
    from math import ceil

    from speech_experiment_projections.scoring.power import words_needed

    words = words_needed(
        rate, delta, correlation=correlation, overdispersion=overdispersion, alpha=alpha, power=chance
    ).needed
    return {
        "words_needed": words,
        "utterances_needed": ceil(words / length),
        "assumed_words_per_utterance": length,
        "assumed_correlation": correlation,
        "assumed_overdispersion": overdispersion,
    }


def _seeds(sd: float, delta: float, alpha: float, chance: float) -> dict[str, Any]:
    from speech_experiment_projections.scoring.power import seeds_needed

    return {
        "seeds_needed_of_each": seeds_needed(sd, delta, alpha=alpha, power=chance).needed,
        "sd_over_seeds": sd,
    }


def _measured(
    pilot: list[Path], ref: Path | None, profile: str, delta: float, alpha: float, chance: float
) -> dict[str, Any]:
    from speech_experiment_projections.scoring.pilot import needed_by_pilot

    from ..plain.chosen import profile_of
    from ..plain.gating import sides_of_files
    from ..plain.scoring import Preparer

    sides = sides_of_files(pilot[0], pilot[1], ref, Preparer(profile_of(profile)))
    one, other = next(iter(sides.pairs.values()))
    return _known(needed_by_pilot(one, other, delta, alpha=alpha, power=chance)._asdict())


def _on_server(
    pilot: list[str], on: str, profile: str, common: bool, delta: float, alpha: float, chance: float
) -> dict[str, Any]:
    with connect() as server:
        answer = server.get(
            "/power",
            system=[system_id(server, each, None) for each in pilot],
            test_set=on,
            profile=profile,
            common=str(common).lower(),
            delta=delta,
            alpha=alpha,
            power=chance,
        )
    return _known(answer)


def _known(found: Mapping[str, Any]) -> dict[str, Any]:
    """What a pilot tells, without speakers where it knows none."""
    names: tuple[str, ...] = ("utterances_needed", "pilot_utterances")
    if found["speakers_needed"] is not None:
        names = (*names, "speakers_needed", "pilot_speakers")
    return {name: found[name] for name in names}
