"""Server commands of ``speech-tracker``: up, down, doctor."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from .embedded.processes import Identity, python, rotate, tail
from .paths import default_data_dir
from .state import StackState

app = typer.Typer(no_args_is_help=True)

FAILED, REFUSED = 1, 3
_STOP_TIMEOUT_S = 45.0
_KILL_TIMEOUT_S = 15.0
_POLL_S = 0.05

DataDir = Annotated[
    Path | None,
    typer.Option(
        "--data-dir", help="Folder of the stack. Default: $SPEECH_TRACKER_DATA_DIR, or your data home."
    ),
]


@app.command()
def up(
    data_dir: DataDir = None,
    host: Annotated[str | None, typer.Option(help="Address that the API listens on.")] = None,
    port: Annotated[
        int | None, typer.Option(help="Port of the API; 0 takes a free one. Default: 8765.")
    ] = None,
    detach: Annotated[bool, typer.Option("--detach", help="Return when ready, and keep running.")] = False,
    demo: Annotated[bool, typer.Option("--demo", help="Run the demo when ready.")] = False,
) -> None:
    """Start the stack: API, consumers, and a real Kafka, Postgres, ClickHouse (chDB) and S3.

    Everything is kept in one folder. Without --detach it runs until Ctrl-C. A part whose address is
    in the environment (SPEECH_TRACKER_SERVER_POSTGRES_DSN, …) is used where it is instead.

    Exit codes: 0 stopped or detached, 1 it did not come up, 3 folder or port are taken.
    """
    folder = (data_dir or default_data_dir()).absolute()
    if detach:
        _up_detached(folder, host, port, demo=demo)
    else:
        _up_here(folder, host, port, demo=demo)


@app.command()
def down(data_dir: DataDir = None) -> None:
    """Stop the stack of a data folder; does nothing where none runs."""
    from .ownership import RefusedError, owned

    folder = (data_dir or default_data_dir()).absolute()
    console = Console(stderr=True, highlight=False)
    state = StackState.load(folder)
    if state is None:
        console.print(f"No stack runs in {folder}.", soft_wrap=True)
        return
    running = state.identity.send(signal.SIGTERM)
    with console.status("stopping"):
        if not _ended(state.identity, _STOP_TIMEOUT_S):
            state.identity.send(signal.SIGKILL)
            _ended(state.identity, _KILL_TIMEOUT_S)
    try:
        with owned(folder):  # which also ends what a killed supervisor left
            text = f"Stopped the stack in {folder}." if running else f"No stack runs in {folder}."
            console.print(text, soft_wrap=True)
    except RefusedError as error:
        console.print(f"[red]{error}[/red]")
        raise typer.Exit(REFUSED) from error


def _ended(process: Identity, timeout_s: float) -> bool:
    """Whether a process ends in that time."""
    deadline = time.monotonic() + timeout_s
    while process.alive and time.monotonic() < deadline:
        time.sleep(_POLL_S)
    return not process.alive


@app.command()
def doctor(
    data_dir: DataDir = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings for programs.")] = False,
) -> None:
    """Check this machine, the stack of a data folder, or the external stores of the environment.

    Exit codes: 0 all is well (warnings included), 1 something has to be fixed.
    """
    from .doctor import examine

    findings = examine((data_dir or default_data_dir()).absolute())
    if as_json:
        sys.stdout.write(json.dumps([finding.as_dict() for finding in findings], indent=1) + "\n")
    else:
        table = Table("", "check", "finding", box=None, pad_edge=False)
        marks = {"ok": "[green]✓[/green]", "warning": "[yellow]![/yellow]", "fault": "[red]✗[/red]"}
        for finding in findings:
            table.add_row(marks[finding.verdict], finding.check, finding.text)
        Console(highlight=False).print(table)
    if any(finding.verdict == "fault" for finding in findings):
        raise typer.Exit(FAILED)


def _up_here(folder: Path, host: str | None, port: int | None, *, demo: bool) -> None:
    from .layout import Layout
    from .ownership import RefusedError
    from .supervisor import StartError, run_stack

    console = Console(stderr=True, highlight=False)
    started = time.monotonic()
    status = console.status("starting")

    def report(text: str) -> None:
        status.update(text)
        if not console.is_terminal or text.startswith("consumers") or "ended by" in text:
            console.print(f"· {text}")

    def ready(layout: Layout) -> None:
        status.stop()
        _greet(console, folder, layout.settings.url, time.monotonic() - started, here=True)
        if demo:
            threading.Thread(target=_demo, args=(folder, layout.settings.url, console), daemon=True).start()

    try:
        with status:
            run_stack(folder, report, host=host, port=port, on_ready=ready)
    except RefusedError as error:
        console.print(f"[red]{error}[/red]", soft_wrap=True)
        raise typer.Exit(REFUSED) from error
    except StartError as error:
        console.print(f"The stack did not come up: {error}", style="red", soft_wrap=True, markup=False)
        raise typer.Exit(FAILED) from error
    console.print("Stopped.")


def _up_detached(folder: Path, host: str | None, port: int | None, *, demo: bool) -> None:
    from .ownership import RefusedError, check_free

    console = Console(stderr=True, highlight=False)
    try:
        check_free(folder)
    except RefusedError as error:
        console.print(f"[red]{error}[/red]", soft_wrap=True)
        raise typer.Exit(REFUSED) from error
    started = time.monotonic()
    log = folder / "logs" / "supervisor.log"
    process = _start_supervisor(folder, host, port, log)
    with console.status("starting") as status:
        state = None
        while process.poll() is None:
            state = StackState.load(folder)
            if state and state.pid == process.pid:
                status.update(state.step)
                if state.status == "ready":
                    break
            time.sleep(_POLL_S)
    if process.poll() is not None or state is None:
        _explain_failure(console, folder, process.pid, log)
        raise typer.Exit(FAILED)
    _greet(console, folder, state.url, time.monotonic() - started, here=False)
    if demo:
        raise typer.Exit(_demo(folder, state.url, console))


def _start_supervisor(folder: Path, host: str | None, port: int | None, log: Path) -> subprocess.Popen[bytes]:
    command = python("speech_experiment_infra.supervisor", "--data-dir", str(folder))
    command += ["--host", host] if host else []
    command += ["--port", str(port)] if port is not None else []
    rotate(log)
    with log.open("ab") as output:
        return subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )


def _explain_failure(console: Console, folder: Path, pid: int, log: Path) -> None:
    state = StackState.load(folder)
    reason = state.error if state and state.pid == pid and state.error else tail(log)
    console.print(f"The stack did not come up: {reason}", style="red", soft_wrap=True, markup=False)


def _greet(console: Console, folder: Path, url: str, took_s: float, *, here: bool) -> None:
    key = _admin_key(folder)
    elsewhere = "" if folder == default_data_dir().absolute() else f" --data-dir {shlex.quote(str(folder))}"
    stop = "Ctrl-C" if here else f"speech-tracker down{elsewhere}"
    console.print(f"\n[bold]The speech experiment tracker is up[/bold] ({took_s:.1f} s)")
    console.print(f"  URL    [bold]{url}[/bold]   (API documentation: {url}/docs)", soft_wrap=True)
    if key:
        console.print(
            f"  login  {key}   (admin key; the SDK and CLI on this machine have it)", soft_wrap=True
        )
    console.print(f"  data   {folder}", soft_wrap=True)
    console.print(f"  stop   {stop}\n", soft_wrap=True)


def _admin_key(folder: Path) -> str | None:
    try:
        return (folder / "admin.key").read_text().strip()
    except OSError:
        return None


def _demo(folder: Path, url: str, console: Console) -> int:
    """Run the demo against this stack, its output beside ours."""
    environment = {
        **os.environ,
        "SPEECH_TRACKER_URL": url,
        "SPEECH_TRACKER_API_KEY": _admin_key(folder) or "",
    }
    done = subprocess.run(python("speech_experiment_tracker.cli", "demo"), env=environment, check=False)
    if done.returncode:
        console.print(f"[red]The demo ended with {done.returncode}.[/red] The stack stays up.")
    else:
        console.print(f"The demo is done; its runs stay at [bold]{url}[/bold].")
    return done.returncode
