"""What the API says about itself."""

from __future__ import annotations

import json
import urllib.error
import urllib.request


def readiness(port: int, host: str) -> str:
    """``ready``, or what the API says is missing."""
    address = "127.0.0.1" if host in ("", "0.0.0.0") else host  # noqa: S104
    try:
        with urllib.request.urlopen(f"http://{address}:{port}/readyz", timeout=3):
            return "ready"
    except urllib.error.HTTPError as error:
        return _missing(error.read()) if error.code == 503 else f"HTTP {error.code}"
    except OSError as error:
        return f"no answer ({error})"


def _missing(body: bytes) -> str:
    try:
        checks: dict[str, str] = json.loads(body)["checks"]
    except (ValueError, KeyError, TypeError):
        return "not ready"
    return "; ".join(f"{name} {value}" for name, value in checks.items() if value != "ok")
