"""Making an admin key without the API: for operators who can log in to the stores."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

from speech_experiment_infra.paths import default_data_dir
from speech_experiment_infra.settings import SETTINGS_FILE_VARIABLE, SettingsError

from . import log_guard
from .bootstrap import add_key
from .key_ring import new_key
from .outages import is_outage
from .problems import Problem
from .services import Services, build
from .settings import ApiSettings
from .stores import Stores

_PATIENCE = 10.0
_RETRY_SECONDS = 0.1


class RescueError(RuntimeError):
    """No key could be made; says why."""


def rescue(data_dir: Path | None) -> str:
    """A new admin key of the home workspace, valid when this returns; raises RescueError."""
    try:
        settings = _settings(data_dir)
    except SettingsError as error:
        raise RescueError(str(error)) from None
    return asyncio.run(_make(settings))


def _settings(data_dir: Path | None) -> ApiSettings:
    if data_dir is None and any(name.startswith("SPEECH_TRACKER_SERVER_") for name in os.environ):
        return ApiSettings.load()
    path = (data_dir or default_data_dir()) / "settings.json"
    if not path.is_file():
        raise RescueError(f"{path} does not exist; start the stack with `speech-tracker up`")
    os.environ[SETTINGS_FILE_VARIABLE] = str(path)
    return ApiSettings.load()


async def _make(settings: ApiSettings) -> str:
    stores = Stores(settings)
    async with stores.running():
        services, key = build(settings, stores), new_key()
        await _connected(services)
        try:
            await add_key(services, key, "made by admin-key")
            await services.control.close()
        except (Problem, TimeoutError) as error:
            raise RescueError(str(error) or "the stores do not answer") from None
        return key


async def _connected(services: Services) -> None:
    """Waits until the stores that a control event passes through are there."""
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            services.stores.producer  # noqa: B018 - raises while there is none
            services.writer.barred = await log_guard.examine(services, thorough=True)
            return
        except Exception as error:
            if not isinstance(error, Problem) and not is_outage(error):
                raise
            if time.monotonic() > deadline:
                raise RescueError(f"{error}; the stack must run") from None
        await asyncio.sleep(_RETRY_SECONDS)
