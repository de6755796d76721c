"""The real tools, where a machine has them: `make check-tools` installs them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

_DEBIAN = Path("/usr/lib/sctk/bin")


def _sctk() -> Path | None:
    found = shutil.which("sclite")
    if found:
        return Path(found).parent
    return _DEBIAN if (_DEBIAN / "sclite").exists() else None


SCTK = _sctk() or _DEBIAN
"""The folder of sclite, sc_stats and rfilter1."""
needs_sctk = pytest.mark.skipif(_sctk() is None, reason="SCTK is not installed: apt-get install sctk")
