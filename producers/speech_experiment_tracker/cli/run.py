"""`speech-tracker run`."""

from __future__ import annotations

import sys
from typing import Annotated
from uuid import UUID

import typer

app = typer.Typer(add_completion=False)


@app.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
def run(
    command: Annotated[list[str], typer.Argument(help="The command and its arguments, after `--`.")],
    resume: Annotated[
        str | None, typer.Option("--resume", help="Go on with this run: its id, or its name.")
    ] = None,
    name: Annotated[str | None, typer.Option("--name", help="Name of the run.")] = None,
    experiment: Annotated[
        str | None, typer.Option("--experiment", "-e", help="Experiment of the run, made if it is new.")
    ] = None,
    tag: Annotated[
        list[str] | None, typer.Option("--tag", "-t", help="KEY=VALUE; may be given several times.")
    ] = None,
    max_restarts: Annotated[
        int, typer.Option("--max-restarts", min=0, help="Give up after so many in a row without progress.")
    ] = 5,
    grace: Annotated[float, typer.Option("--grace", min=0, help="Seconds from SIGTERM to SIGKILL.")] = 25.0,
    requeue: Annotated[
        bool, typer.Option("--requeue", help="Slurm: requeue the job after SIGTERM or SIGUSR1.")
    ] = False,
) -> None:
    """Run a command as one run: restarted after a crash or preemption, from its newest checkpoint.

    A script needs one line for it, `run = client.start_run(resume="auto")`; run.last_step, run.config and
    run.newest_checkpoint() then say where it goes on. Scripts that do not use the SDK find the same in the
    environment: SPEECH_TRACKER_RUN_ID, SPEECH_TRACKER_ATTEMPT, SPEECH_TRACKER_RESUME_STEP and
    SPEECH_TRACKER_CHECKPOINT (a local path, already fetched); their start, output and end are recorded for them.

    Restarts wait 1, 2, 4 … seconds. The same failure twice in a row, at the same step, ends it. SIGTERM, SIGINT,
    SIGHUP, SIGUSR1 and SIGUSR2 go to the command and all its children; output passes through unchanged.

    Exit codes: the command's own, 128 + N when signal N ended it; 127 when it is not found.

    Examples:

      speech-tracker run -- python train.py --lr 1e-3

      speech-tracker run --name conformer_12l --experiment "Conformer ASR" -t language=en -- torchrun --nproc-per-node 8 train.py

      speech-tracker run --resume conformer_12l -- python train.py

    In a Slurm script, with a checkpoint two minutes before the time limit, and the job back in the queue:

      #SBATCH --signal=B:USR1@120 --requeue

      exec speech-tracker run --requeue -- python train.py

    On Kubernetes, as the container's command, with --grace below terminationGracePeriodSeconds:

      speech-tracker run --grace 20 -- python train.py
    """
    from ..client import Client
    from ..supervise.supervisor import Supervisor

    client = Client()
    supervisor = Supervisor(
        client,
        command,
        run=_run_id(resume) if resume else None,
        name=name,
        experiment=experiment,
        tags=_tags(tag or []),
        max_restarts=max_restarts,
        grace=grace,
        requeue=requeue,
    )
    sys.exit(supervisor.run())


def _run_id(text: str) -> UUID:
    """An id as it is, so that a run can go on without a server; a name by the server."""
    from .server import connect

    try:
        return UUID(text)
    except ValueError:
        with connect() as server:
            return UUID(server.run_id(text))


def _tags(given: list[str]) -> dict[str, str]:
    tags = {}
    for each in given:
        key, equals, value = each.partition("=")
        if not key or not equals:
            raise typer.BadParameter(f"give tags as KEY=VALUE, not {each!r}", param_hint="--tag")
        tags[key] = value
    return tags
