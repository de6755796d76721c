"""python -m speech_experiment_consumers.rebuild NAME: does the rebuild of a projection that waits for a process.

Workers start it by themselves; on a cluster it may as well be run beside them, where there is room.
Exit codes: 0 done, or nothing was to be done; 70 an unexpected error; else as those of the workers.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import logging
import os
import signal

from speech_experiment_infra.settings import Settings

from ..exits import exit_code, leave
from ..logs import log_to_stderr
from ..registry import known
from .job import run_job
from .part import GC_THRESHOLDS

log = logging.getLogger("speech_experiment_consumers.rebuild")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m speech_experiment_consumers.rebuild")
    parser.add_argument("name", metavar="NAME", type=known)
    name = parser.parse_args().name
    settings = Settings.load_or_exit()
    log_to_stderr()
    os.nice(5)  # people who work come first
    try:
        asyncio.run(_run(settings, name))
    except BaseException as error:
        log.exception("ends: %s", error)
        leave(exit_code(error))
    leave(0)


async def _run(settings: Settings, name: str) -> None:
    job = asyncio.create_task(run_job(settings, name))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, job.cancel)
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)
    try:
        await job
    except asyncio.CancelledError:
        log.info("stops; another process goes on")


if __name__ == "__main__":
    main()
