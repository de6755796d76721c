"""`speech-tracker register`: a test set from a file or folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..client import Client
from .output import console, errors, print_json

app = typer.Typer(add_completion=False)


@app.command()
def register(
    name: Annotated[str, typer.Argument(help="Of the test set.")],
    path: Annotated[
        Path, typer.Argument(help="Kaldi data folder, trn, stm, ctm, manifest, Lhotse file or table.")
    ],
    language: Annotated[
        str | None, typer.Option("--language", "-l", help="Of utterances that do not say it.")
    ] = None,
    domain: Annotated[
        str | None, typer.Option("--domain", help="Of the set, e.g. read_speech: breakdowns group by it.")
    ] = None,
    corpus: Annotated[str | None, typer.Option("--corpus", help="That speakers belong to.")] = None,
    timeout: Annotated[float, typer.Option(help="Seconds to wait until it is known.")] = 120.0,
    as_json: Annotated[bool, typer.Option("--json", help="JSON for programs.")] = False,
) -> None:
    """Register the utterances that systems are scored on, as the newest revision of a test set.

    The same list again changes nothing. Systems that were evaluated on the set are scored again.

    Example:

      speech-tracker register librispeech-test-clean data/test_clean --language en
    """
    client = Client(on_error="raise")
    made = client.register_test_set(name, str(path), language=language, domain=domain, corpus=corpus)
    if not client.flush(timeout):
        errors().print(f"not known to the server after {timeout:g} s; it is delivered in the background")
        raise typer.Exit(1)
    if as_json:
        print_json(
            {"id": str(made.id), "name": made.name, "utterances": made.utterances, "digest": made.digest}
        )
    else:
        console().print(f"{made.name}: {made.utterances:,} utterances")
