"""Distributed workers: which start they belong to, and what rank 0 decided for all of them.

Launchers say so in the environment: torchrun by RANK, WORLD_SIZE and TORCHELASTIC_RESTART_COUNT, Slurm by
SLURM_PROCID, SLURM_JOB_ID and SLURM_RESTART_COUNT, `speech-tracker run` by SPEECH_TRACKER_RUN_ID and
SPEECH_TRACKER_ATTEMPT.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar
from uuid import UUID, uuid5

import msgspec

from .acknowledgement import Progress
from .errors import TrackerError
from .spool.files import birth, boot_id, lives, write_atomically

ID_VARIABLE = "SPEECH_TRACKER_RUN_ID"
ATTEMPT_VARIABLE = "SPEECH_TRACKER_ATTEMPT"
STEP_VARIABLE = "SPEECH_TRACKER_RESUME_STEP"
CHECKPOINT_VARIABLE = "SPEECH_TRACKER_CHECKPOINT"
RANK_0_TIMEOUT = 300.0
"""Seconds that other ranks wait for rank 0's decision: it may still be importing its frameworks."""
_NAMESPACE = UUID("0d2c5cf3-8f0e-5a07-a3f2-5f4f6e9b61c1")
_ATTEMPTS, _LAUNCHES = "attempts", "launches"
_KEEP = 30 * 86400.0
_started: list[None] = []
_given: dict[str, list[int]] = {}


class Ranks:
    """The process's place among distributed workers, from the launcher's environment.

    one_machine  whether all of them are on this machine
    """

    def __init__(self) -> None:
        self.rank = number("RANK", number("SLURM_PROCID", 0))
        tasks = number("SLURM_STEP_NUM_TASKS", 1) if "RANK" not in os.environ else 1
        self.world_size = max(1, number("WORLD_SIZE", tasks), self.rank + 1)
        self.one_machine = (
            number("LOCAL_WORLD_SIZE", 0) == self.world_size or number("SLURM_STEP_NUM_NODES", 0) == 1
        )


class Decision(msgspec.Struct, frozen=True):
    """What a run goes on as: the same for all ranks of a start.

    attempt    1: it only begins
    from_step  of the checkpoint that is loaded
    pid, born  the process that decided, on the machine of that boot
    at         when it did, in seconds since that boot
    """

    run: UUID
    attempt: int
    from_step: int | None = None
    boot: str = ""
    pid: int = 0
    born: str = ""
    at: float = 0.0

    def stands(self) -> bool:
        """Whether it is of this start, and not of one before it with the same launcher.

        Rank 0 may have ended by now; what was decided since this process began is of its start all the same.
        """
        if self.boot != boot_id() or lives(self.pid, self.born):
            return True
        began = birth(os.getpid())
        return bool(began) and self.at > int(began) / os.sysconf("SC_CLK_TCK")


def run_id_of(text: object) -> UUID:
    """The run id that a text means: a UUID itself, or one made of any other text, such as a job's name."""
    try:
        return UUID(str(text))
    except ValueError:
        return uuid5(_NAMESPACE, str(text))


def count_start() -> int:
    """The number of runs started in this process, this one included: workers agree on it."""
    _started.append(None)
    return len(_started)


def given_id(nth: int) -> UUID | None:
    """The id in the environment for the n-th run of this process; when it is taken, one made of it."""
    text = os.environ.get(ID_VARIABLE)
    if not text:
        return None
    starts = _given.setdefault(text, [])
    if nth not in starts:
        starts.append(nth)
    first, place = run_id_of(text), starts.index(nth)
    return first if not place else uuid5(_NAMESPACE, f"{first}/{place}")


def first_given() -> UUID | None:
    """The run that SPEECH_TRACKER_ATTEMPT is about."""
    text = os.environ.get(ID_VARIABLE)
    return run_id_of(text) if text else None


def shared_id(nth: int) -> UUID | None:
    """An id that the workers of one start have in common; None for a single process.

    Workers of several machines outside Slurm need SPEECH_TRACKER_RUN_ID, or an id given to start_run.
    """
    ranks = Ranks()
    if ranks.world_size < 2:
        return None
    start = _slurm_step() or (_launcher() if ranks.one_machine else None)
    return uuid5(_NAMESPACE, f"{start}/{_restarts()}/{nth}") if start else None


def lasting_id(nth: int, name: str | None) -> UUID | None:
    """As shared_id, but the same again after the launcher restarted its workers, or Slurm requeued the job."""
    if "SLURM_JOB_ID" in os.environ:
        words = [_slurm_job(), os.environ.get("SLURM_STEP_ID", ""), name or "", *sys.argv]
        return uuid5(_NAMESPACE, "\0".join([*words, str(nth)]))
    if "TORCHELASTIC_RESTART_COUNT" in os.environ and Ranks().one_machine:
        return uuid5(_NAMESPACE, f"{_launcher()}/{nth}")
    return None


def launch_key(nth: int) -> str:
    """Names this start among all starts, for its workers alone."""
    meeting = f"{os.environ.get('MASTER_ADDR', '')}:{os.environ.get('MASTER_PORT', '')}"
    start = _slurm_step() or (_launcher() if Ranks().one_machine else meeting)
    return "/".join([start, _restarts(), os.environ.get("TORCHELASTIC_RUN_ID", ""), str(nth)])


def launch_of(nth: int) -> str:
    """What openings say of this start; empty for a single process."""
    return launch_key(nth) if Ranks().world_size > 1 else ""


def attempt_given() -> int | None:
    """SPEECH_TRACKER_ATTEMPT, unless the launcher has restarted its workers since it was set."""
    if number("TORCHELASTIC_RESTART_COUNT", 0):
        return None
    return number(ATTEMPT_VARIABLE, 0) or None


def step_given() -> int | None:
    text = os.environ.get(STEP_VARIABLE, "")
    return int(text) if text.lstrip("-").isdigit() else None


def decided(run: UUID, attempt: int, from_step: int | None) -> Decision:
    """By this process."""
    now = time.clock_gettime(time.CLOCK_BOOTTIME)
    return Decision(run, attempt, from_step, boot_id(), os.getpid(), birth(os.getpid()), now)


def announce(spool: Path, key: str, decision: Decision) -> None:
    """Tells the other ranks that share the spool."""
    path = _place(spool, key)
    path.parent.mkdir(parents=True, mode=0o700, exist_ok=True)
    _clear(path.parent)
    write_atomically(path, msgspec.json.encode(decision))


def await_decision(
    spool: Path, key: str, ask: Callable[[], Decision | None] | None, timeout: float = RANK_0_TIMEOUT
) -> Decision:
    """What rank 0 decided; ask: asks the server, for ranks on other machines.

    Raises TrackerError when nothing is heard of it in time.
    """
    start, asked, progress = time.monotonic(), 0.0, Progress()
    while (waited := time.monotonic() - start) < timeout:
        found = _read(_place(spool, key), Decision)
        if found is not None and found.stands():
            return found
        if ask is not None and time.monotonic() - asked > 0.5:
            asked = time.monotonic()
            if (heard := ask()) is not None:
                return heard
        if waited > 2.0:
            progress.tell(f"waiting for rank 0 to say how the run goes on ({timeout - waited:.0f} s left)")
        time.sleep(0.02)
    raise TrackerError(
        f"nothing was heard of rank 0 for {timeout:.0f} s",
        f"start all ranks together, or set {ID_VARIABLE} and {ATTEMPT_VARIABLE} for all of them",
    )


@contextlib.contextmanager
def claim(spool: Path, run: UUID) -> Iterator[Callable[[int], int]]:
    """One process of this spool at a time decides how a run goes on.

    Yields what takes the next attempt after the greatest known one: no two processes get the same.
    """
    folder = spool / _ATTEMPTS
    folder.mkdir(parents=True, mode=0o700, exist_ok=True)
    path = folder / f"{run}.json"
    fd = os.open(folder / f"{run}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def take(known: int) -> int:
        attempt = max(known, attempts_noted(spool, run)) + 1
        _clear(folder)
        write_atomically(path, msgspec.json.encode(attempt))
        return attempt

    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield take
    finally:
        os.close(fd)


def attempts_noted(spool: Path, run: UUID) -> int:
    """The last attempt that a process of this spool has taken; 0: none is known."""
    return _read(spool / _ATTEMPTS / f"{run}.json", int) or 0


def number(name: str, default: int) -> int:
    """An integer in the environment."""
    try:
        return int(os.environ.get(name, default))
    except ValueError:
        return default


def _launcher() -> str:
    parent = os.getppid()
    return f"{boot_id()}/{parent}/{birth(parent)}"


def _slurm_job() -> str:
    return f"slurm/{os.environ.get('SLURM_CLUSTER_NAME', '')}/{os.environ['SLURM_JOB_ID']}"


def _slurm_step() -> str | None:
    """Of several tasks; a batch script alone starts a single process, or a launcher of its own."""
    if "SLURM_STEP_ID" not in os.environ or "SLURM_JOB_ID" not in os.environ:
        return None
    return f"{_slurm_job()}/{os.environ['SLURM_STEP_ID']}"


def _restarts() -> str:
    return f"{number('SLURM_RESTART_COUNT', 0)}/{number('TORCHELASTIC_RESTART_COUNT', 0)}"


def _place(spool: Path, key: str) -> Path:
    return spool / _LAUNCHES / f"{hashlib.blake2b(key.encode(), digest_size=12).hexdigest()}.json"


def _clear(folder: Path) -> None:
    """Removes what nobody asks for any more."""
    with contextlib.suppress(OSError):
        for path in folder.iterdir():
            if time.time() - path.stat().st_mtime > _KEEP:
                path.unlink()


T = TypeVar("T")


def _read(path: Path, kind: type[T]) -> T | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except (OSError, msgspec.MsgspecError):
        return None
