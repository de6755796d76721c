"""Giving up root for one child: Postgres refuses to run as root.

No system user is added: a bare user id is enough to run a program. Folders above the data may be
closed to it (``/root`` is); rather than opening them to everybody, the child keeps the one
capability to pass through folders.
"""

from __future__ import annotations

import ctypes
import os
import struct
from pathlib import Path

#: Owner of Postgres's files when the stack is run by root; named in no user database.
SERVICE_ID = 64201

_PR_SET_KEEPCAPS, _PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE = 8, 47, 2
_CAP_DAC_OVERRIDE, _CAP_DAC_READ_SEARCH = 1, 2
_CAPABILITY_VERSION_3 = 0x20080522
_SYS_CAPSET = {"x86_64": 126, "aarch64": 91}


def may_enter(path: Path, user_id: int) -> bool:
    """True when ``user_id``, of no group that matters, can reach and read ``path``."""
    path = path.resolve()
    return all(_open_to(folder, user_id, 0o1) for folder in path.parents) and _open_to(path, user_id, 0o5)


def _open_to(path: Path, user_id: int, bits: int) -> bool:
    status = path.stat()
    mode = status.st_mode >> 6 if status.st_uid == user_id else status.st_mode
    return mode & bits == bits


def hand_over(folder: Path, user_id: int) -> None:
    """Make ``user_id`` the owner of a folder and all in it."""
    for root, folders, files in os.walk(folder):
        for name in [*folders, *files]:
            os.chown(Path(root, name), user_id, user_id, follow_symlinks=False)
    os.chown(folder, user_id, user_id)


def become(user_id: int, *, pass_through: bool) -> None:
    """Change this process to ``user_id``; run it in a child, between fork and exec.

    Args:
        pass_through: keep the capability to enter any folder.

    Raises:
        OSError: the kernel refused, as it does in containers without these capabilities.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    capability = _search_capability() if pass_through else None
    if capability is not None:
        _check(libc.prctl(_PR_SET_KEEPCAPS, 1, 0, 0, 0))
    os.setgroups([])
    os.setresgid(user_id, user_id, user_id)
    os.setresuid(user_id, user_id, user_id)
    if capability is not None:
        _keep_only(libc, capability)
        _check(libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, capability, 0, 0))


def _search_capability() -> int:
    """The narrower of the two capabilities that pass through folders, if this process has it."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("CapPrm:") and int(line.split()[1], 16) & 1 << _CAP_DAC_READ_SEARCH:
            return _CAP_DAC_READ_SEARCH
    return _CAP_DAC_OVERRIDE


def _keep_only(libc: ctypes.CDLL, capability: int) -> None:
    header = struct.pack("Ii", _CAPABILITY_VERSION_3, 0)
    mask = 1 << capability
    data = struct.pack("6I", mask, mask, mask, 0, 0, 0)
    _check(libc.syscall(_SYS_CAPSET[os.uname().machine], header, data))


def _check(result: int) -> None:
    if result != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
