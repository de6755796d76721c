"""`speech-tracker rescore`: a scoring profile for the whole history, beside the others."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from ..client import Client
from ..errors import TrackerError
from .output import console, errors, print_json

app = typer.Typer(add_completion=False)


@app.command()
def rescore(
    profile: Annotated[
        str, typer.Option("--profile", "-p", help="A built-in profile, or the name of your own.")
    ],
    definition: Annotated[
        Path | None,
        typer.Option("--definition", help="JSON file with the fields of a profile of your own."),
    ] = None,
    timeout: Annotated[float, typer.Option(help="Seconds to wait for the scores.")] = 600.0,
    as_json: Annotated[bool, typer.Option("--json", help="JSON for programs.")] = False,
) -> None:
    """Score everything that was ever evaluated by a profile, without decoding anything again.

    What is evaluated later is scored by it too. Scores by other profiles stay as they are.

    Examples:

      speech-tracker rescore --profile whisper-english

      speech-tracker rescore --profile house --definition house.json
    """
    client = Client(on_error="raise")
    api = client.api()
    started = time.monotonic()
    client.apply_profile(profile, _read(definition))
    if not client.flush(timeout):
        errors().print(f"the scores are not all there after {timeout:g} s; they are made in the background")
        raise typer.Exit(1)
    answer = api.get("/api/v1/scores", {"profile": profile, "limit": 1})
    told = {
        "profile": profile,
        "test_sets": len(answer["test_sets"]),
        "seconds": round(time.monotonic() - started, 2),
    }
    if as_json:
        print_json({**told, "vector": answer["vector"]})
        return
    console().print(
        f"scored by {profile} in {told['seconds']:.1f} s; see `speech-tracker scores --profile {profile}`"
    )


def _read(path: Path | None) -> dict[str, Any]:
    """The fields of a profile; raises TrackerError that names the file."""
    if path is None:
        return {}
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, Any])
    except OSError as error:
        raise TrackerError(f"{path}: {error.strerror}", "give a JSON file") from None
    except msgspec.DecodeError as error:
        raise TrackerError(
            f"{path} is no JSON object: {error}", 'write {{"unit": "character"}} or the like'
        ) from None
