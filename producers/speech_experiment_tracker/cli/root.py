"""The root command: the client's commands, and those that installed server rooms add by entry points.

A command's module is imported when the command is called; only `--help` looks at all of them.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

import typer
from typer.core import TyperGroup

from ..errors import TrackerError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

GROUP = "speech_experiment_tracker.commands"
_OWN = {
    "status": ("status", "How the client's spool and the server are doing."),
    "run": ("run", "Run a command as one run: restarted after a crash, from its checkpoint."),
    "runs": ("runs", "Search runs with the filter language."),
    "find": ("find", "Whatever has a name with some words in it."),
    "show": ("show", "One run: config, metrics, test sets, artifacts."),
    "compare": ("compare", "Several runs side by side: what differs, and what came of it."),
    "leaderboard": ("leaderboard", "Which systems are best on which test sets, now or at any moment."),
    "measurements": (
        "measurements",
        "Other tasks than recognition: what was measured, and which system is best.",
    ),
    "measure": (
        "measure",
        "Diarization, verification, spotting, TTS: measured from files, without a server.",
    ),
    "register": ("register", "A test set from a Kaldi folder, trn, stm, ctm, manifest or table."),
    "scores": ("scores:scores_app", "Systems × test sets, scored by the server under one profile."),
    "evaluations": ("scores:evaluations_app", "What was recognised on which test set, and how it scores."),
    "utterances": ("decoded:utterances_app", "An evaluation's utterances, with all that was logged of each."),
    "latency": ("decoded:latency_app", "Decoding speed and streaming latency by its parts."),
    "breakdown": ("scores:breakdown_app", "Error rates by speaker, condition, language, length, …"),
    "confusions": ("confusions", "What a system takes for what: substitutions, deletions, insertions."),
    "marks": ("marks", "References that somebody doubts, to be corrected or dismissed."),
    "replicates": ("replicates", "Configurations over their seeds: mean ± sd, tests across seeds."),
    "significance": ("significance", "Systems on one test set: intervals, tests, ties with the best."),
    "flips": ("scores:flips_app", "Utterances on which two systems differ."),
    "align": ("scores:align_app", "Hypotheses word by word beside the reference."),
    "rescore": ("rescore", "Score the whole history by another profile, without decoding again."),
    "score": ("score", "From a folder of ref and hyp files to a leaderboard with intervals."),
    "gate": ("gate", "Whether a candidate may replace a reference: paired tests, exit code."),
    "profiles": ("profiles", "Scoring profiles: what counts as an error."),
    "power": ("power", "How much data shows a difference of error rates."),
    "report": ("report", "Reports: Markdown with live or frozen panels, kept on the server."),
    "tail": ("tail", "Follow a run live: metrics, output, status."),
    "replay": ("replay", "A run's events out of the log, and the state as it was."),
    "verify": ("verify", "Whether everything that was logged has arrived."),
    "sync": ("sync", "Deliver spools that were written offline."),
    "delete": ("delete", "Hide a run, experiment, artifact or report; the log keeps it."),
    "restore": ("restore", "Show a deleted run, experiment, artifact or report again."),
    "audit": ("audit", "Who deleted, restored, made or revoked what, when and why."),
    "key": ("keys", "API keys: create, list, revoke."),
    "dead-letters": ("dead_letters", "Events that could not be applied: list, replay."),
    "rebuild": ("rebuild", "Build a projection anew from the log, and make it live."),
    "demo": ("demo", "Three real experiments on real speech, in a minute or two."),
}
_SERVER_FIRST = ("up", "down", "doctor")
_HELP = """Track speech experiments: nothing is lost, and any past answer can be given again.

Start with `speech-tracker up` on this machine, or point SPEECH_TRACKER_URL and SPEECH_TRACKER_API_KEY to a server.

Exit codes of every command: 0 done, 1 the answer is no (missing, failed, needs attention), 2 wrong usage, 3 no answer
(server not reachable, not allowed, no such thing). `verify` also uses 2 for runs that are still open."""


class LazyGroup(TyperGroup):
    """Finds a command's module by the command's name."""

    def list_commands(self, ctx: Any) -> list[str]:
        server = self._server_commands()
        first = [name for name in _SERVER_FIRST if name in server]
        return [*first, *_OWN, *sorted(set(server) - set(first) - set(_OWN))]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name in _OWN:
            place, summary = _OWN[cmd_name]
            module, _, app = place.partition(":")
            return _command(
                getattr(import_module(f".{module}", __package__), app or "app"), cmd_name, summary
            )
        return self._server_commands(cmd_name).get(cmd_name)

    def _server_commands(self, wanted: str | None = None) -> dict[str, Any]:
        """Commands of the entry points; with `wanted`, those of the first one that has it."""
        found: dict[str, Any] = {}
        for entry in _sorted_for(wanted):
            try:
                commands = _commands(entry.load(), entry.name)
            except (ImportError, AttributeError):
                continue
            found |= commands
            if wanted in commands:
                break
        return found


def _sorted_for(wanted: str | None) -> list[EntryPoint]:
    """The entry points, the infrastructure's first: most server commands are its."""
    from importlib.metadata import entry_points

    found = [*entry_points(group=GROUP)]
    return sorted(found, key=lambda entry: (entry.name != wanted, entry.name != "infra", entry.name))


def _commands(app: Any, name: str) -> dict[str, Any]:
    """The commands of an app that was made as a group; an app of one command goes by its own name."""
    command = typer.main.get_command(app)
    return dict(getattr(command, "commands", None) or {command.name or name: command})


def _command(app: typer.Typer, name: str, summary: str) -> Any:
    command = typer.main.get_command(app)
    command.name = name
    command.short_help = summary
    return command


root = typer.Typer(
    cls=LazyGroup, help=_HELP, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False
)


def _print_version(asked: bool) -> None:
    if asked:
        from .. import __version__

        sys.stdout.write(f"{__version__}\n")
        raise typer.Exit


@root.callback()
def _root(
    version: bool = typer.Option(
        False, "--version", help="Print the version.", is_eager=True, callback=_print_version
    ),
) -> None:
    """What comes before the command."""


def run() -> None:
    """Runs the command line of this process and leaves it with the command's exit code."""
    from .failures import FAILED, explain

    try:
        root(prog_name="speech-tracker")
    except TrackerError as error:
        explain(error)
        sys.exit(FAILED)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(0)
