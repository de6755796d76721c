"""`speech-tracker demo`."""

from __future__ import annotations

from typing import Annotated

import typer

from ..errors import TrackerError
from .output import console, errors, print_json

app = typer.Typer(add_completion=False)


@app.command()
def demo(
    as_json: Annotated[bool, typer.Option("--json", help="The server's answer as JSON at the end.")] = False,
) -> None:
    """Three real experiments on real speech, in a minute or two.

    Trains three keyword classifiers on spoken digits, one of which is killed with -9 midway and goes on
    from its checkpoint; decodes recorded utterances with pocketsphinx at nine settings of beam and
    language weight; and lets two of its settings recognise them clean, in babble at stated signal-to-noise
    ratios, and in a room, which the server scores, and tells whether they differ. Everything is logged through the SDK; the tables at the
    end are the server's answers.

    The recordings come from the pocketsphinx source archive: fetched once with pip (34 MB, pinned by
    hash), kept in the cache folder; SPEECH_TRACKER_DEMO_ARCHIVE names a copy for machines without a network.
    """
    try:
        from ..demo.story import run_demo
    except ImportError as error:
        hint = "pip install 'speech-experiment-tracker[demo]'"
        raise TrackerError(f"the demo needs {error.name}", hint) from error
    outcome = run_demo(errors() if as_json else console())
    if as_json:
        print_json(
            {
                "classifiers": outcome.classifiers,
                "decodings": outcome.decodings,
                "resumed": outcome.resumed._asdict(),
                "systems": outcome.systems,
                "noise": outcome.noise,
                "significance": outcome.significance,
            }
        )
