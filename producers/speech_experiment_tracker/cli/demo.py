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
    """Two real experiments on real speech, in a minute.

    Trains three keyword classifiers on spoken digits, and decodes recorded utterances with
    pocketsphinx at nine settings of beam and language weight. Everything is logged through the SDK;
    the leaderboard at the end is the server's answer.

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
        print_json({"classifiers": outcome.classifiers, "decodings": outcome.decodings})
