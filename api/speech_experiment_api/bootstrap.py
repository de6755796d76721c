"""The first start of an embedded stack: a workspace, and an admin key left for the user.

The key's file is written before the event that makes it valid, so that a crash in between
leaves a file whose key the next start makes valid, and never a key that nobody knows.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from speech_experiment_schemas.control import WorkspaceCreated

from . import log
from .control import SYSTEM, Subject, workspace_id
from .key_ring import new_key, well_formed
from .keys import make_key, workspace_exists
from .outages import is_outage
from .problems import Problem

if TYPE_CHECKING:
    from .services import Services

KEY_FILE = "admin.key"
_RETRY_SECONDS = 0.1


async def run(services: Services) -> None:
    """Tries until the stores are there and the workspace has a key, then returns."""
    while not services.state.bootstrapped:
        try:
            services.state.bootstrapped = await _attempt(services)
        except Problem:
            pass
        except Exception as error:  # noqa: BLE001 - tried again until the stores are there
            if not is_outage(error):
                log.write_error(error, task="bootstrap")
        await asyncio.sleep(_RETRY_SECONDS)


async def _attempt(services: Services) -> bool:
    if not await _level(services):
        return False
    schema = await services.stores.versions.schema("control")
    if not await services.stores.pool.fetchval(f"select exists(select from {schema}.keys)"):  # noqa: S608
        await _make_admin_key(services)
    return True


async def _level(services: Services) -> bool:
    """Whether the control projection has all that the log holds: only then is `no key` an answer."""
    ends = await services.ends.of("control")
    projected = await services.positions.next_offsets()
    return all(projected.get(place, 0) >= end for place, end in ends.items())


async def _make_admin_key(services: Services) -> None:
    folder = services.settings.data_dir
    assert folder is not None  # noqa: S101 - an embedded stack has one
    key = await asyncio.to_thread(read_or_write_key, folder / KEY_FILE)
    await add_key(services, key, "first start")
    services.stores.keys.forget()


async def add_key(services: Services, key: str, label: str) -> None:
    """Makes an admin key of the home workspace valid, on the server's own authority."""
    workspace = services.settings.workspace
    created, event = make_key(workspace, "admin", label, key)
    events: list[tuple[msgspec.Struct, Subject]] = [(event, ("key", created.id))]
    if not await workspace_exists(services, workspace):
        events.insert(0, (WorkspaceCreated(name=workspace), ("workspace", workspace_id(workspace))))
    await services.control.change(*events, actor=SYSTEM, workspace=workspace)


def read_or_write_key(path: Path) -> str:
    """The key in the file; a new one, written durably with mode 0600, when there is none."""
    if path.exists():
        key = path.read_text().strip()
        if well_formed(key):
            return key
    key = new_key()
    write_secret(path, key + "\n")
    return key


def write_secret(path: Path, text: str) -> None:
    """Writes a file that its owner alone can read, durable before it has its name."""
    fresh = path.with_name(path.name + ".new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
