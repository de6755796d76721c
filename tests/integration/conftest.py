"""Clients of the session's stack."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest

from speech_experiment_infra.settings import Settings
from tests.conftest import RunningStack


@pytest.fixture
async def admin(stack: RunningStack) -> AsyncIterator[httpx.AsyncClient]:
    """An HTTP client with the admin key of the workspace `default`."""
    headers = {"Authorization": f"Bearer {stack.key}"}
    async with httpx.AsyncClient(base_url=stack.url, timeout=60, headers=headers) as client:
        yield client


@pytest.fixture
def settings(stack: RunningStack) -> Settings:
    """Where the stack's stores are."""
    return stack.settings
