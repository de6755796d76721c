"""What a producer says of itself."""

from __future__ import annotations

import msgspec


class Meta(msgspec.Struct, frozen=True):
    """What a producer says of itself; unknown fields are ignored, so that later releases may add some."""

    producer: str
    run: str | None = None
    role: str = "trainer"
    rank: int = 0
    child: bool = False
    watches: bool = False
    pid: int = 0
    boot: str = ""
    host: str = ""
    target: str | None = None
    workspace: str = "default"
    python: str = ""
    command: list[str] = []
    cwd: str = ""
    capture: bool = True
    attempt: int = 1
