"""python -m speech_experiment_consumers NAME…: the workers of one or more projections in one process.

NAME is a projection (metadata, metrics, scores, artifacts, control): its live version and those kept beside it are
followed. NAME:VERSION is that version alone.
Exit codes: 0 stopped by SIGTERM or SIGINT; 70 an unexpected error; 76 a gap in the log;
78 the stores do not belong together (restarting does not help); 79 the poison limit was reached.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import logging
import signal
from typing import Any

from speech_experiment_infra.settings import Settings

from .exits import exit_code, leave
from .following import Following
from .logs import log_to_stderr
from .postgres_sink import postgres
from .registry import create_sink, known
from .worker import Worker

log = logging.getLogger("speech_experiment_consumers")


def main() -> None:
    arguments = _arguments()
    settings = Settings.load_or_exit()
    log_to_stderr()
    try:
        asyncio.run(_run(settings, arguments.names, arguments.instance))
    except BaseException as error:
        log.exception("ends: %s", error)
        leave(exit_code(error))
    leave(0)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m speech_experiment_consumers")
    parser.add_argument("names", nargs="+", metavar="NAME[:VERSION]")
    parser.add_argument("--instance", help="stable name of this process, for static membership of its group")
    return parser.parse_args()


async def _run(settings: Settings, names: list[str], instance: str | None) -> None:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    if instance is None and settings.embedded:
        instance = "embedded"
    async with postgres(settings) as pool, asyncio.TaskGroup() as group:
        for name in names:
            group.create_task(_work(settings, name, instance, pool).run(stopping))
        gc.freeze()


def _work(settings: Settings, name: str, instance: str | None, pool: Any) -> Following | Worker:
    if ":" in name:
        return Worker(settings, create_sink(settings, name), instance=instance)
    return Following(settings, known(name), pool, instance=instance)


if __name__ == "__main__":
    main()
