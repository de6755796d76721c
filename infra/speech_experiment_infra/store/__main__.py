"""``python -m speech_experiment_infra.store``: serve a chDB folder until SIGTERM."""

from __future__ import annotations

import argparse
import fcntl
import logging
import os
import signal
import sys
from pathlib import Path
from typing import IO

PASSWORD_VARIABLE = "SPEECH_TRACKER_STORE_PASSWORD"  # noqa: S105 (a variable's name)
_DRAIN_S = 10.0

_log = logging.getLogger("speech_experiment_infra.store")


def main() -> int:
    """Run the store; returns the exit status."""
    arguments = _parser().parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    password = os.environ.pop(PASSWORD_VARIABLE, "")
    if not password:
        sys.stderr.write(f"set {PASSWORD_VARIABLE}: the store is not served without a password\n")
        return 2
    arguments.path.mkdir(parents=True, exist_ok=True, mode=0o700)
    lock = _own(arguments.path)
    if lock is None:
        sys.stderr.write(f"{arguments.path} belongs to a running store; a chDB folder has one owner\n")
        return 3
    return _serve(arguments, password)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="speech_experiment_infra.store", description=__doc__)
    parser.add_argument("--path", type=Path, required=True, help="chDB data folder")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--user", default="default")
    parser.add_argument("--database", default="speech_experiments")
    return parser


def _own(path: Path) -> IO[str] | None:
    """The lock on a data folder, held as long as the process lives; None when another has it."""
    handle = (path / "owner.lock").open("a+")
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        handle.close()
        return None
    return handle


def _serve(arguments: argparse.Namespace, password: str) -> int:
    from .engine import Engine
    from .protocol import Protocol
    from .server import Server

    engine = Engine(str(arguments.path / "chdb"), arguments.database)
    server = Server(Protocol(engine, arguments.user, password), arguments.host, arguments.port)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: server.stop())
    _log.info("serving %s on %s:%d", arguments.path, arguments.host, server.port)
    server.serve()
    finished = server.drain(_DRAIN_S)
    if finished:
        engine.close()
    _log.info("stopped %s", "cleanly" if finished else "with statements still running")
    return 0 if finished else 1


if __name__ == "__main__":
    sys.exit(main())
