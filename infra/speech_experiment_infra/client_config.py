"""The client's configuration file, written so that SDK and CLI on this machine just work."""

from __future__ import annotations

import json
from pathlib import Path

from .layout import Layout
from .paths import client_config_file
from .state import write_private


def write_client_config(layout: Layout, path: Path | None = None) -> bool:
    """Write URL and key of this stack for its user, unless the file names another server.

    Returns:
        True when the file was written or was right already.
    """
    path = path or client_config_file()
    key_file = layout.data_dir / "admin.key"
    if not key_file.exists():
        return False
    wanted = {
        "url": layout.settings.url,
        "api_key": key_file.read_text().strip(),
        "data_dir": str(layout.data_dir.resolve()),
    }
    present = _read(path)
    if present and not _ours(present, wanted):
        return False
    if present != wanted:
        write_private(path, json.dumps(wanted, indent=1))
    return True


def _ours(present: dict[str, str], wanted: dict[str, str]) -> bool:
    """True when the file was written for this folder, or for one that is no more."""
    folder = present.get("data_dir")
    if folder is None:
        return present.get("url") == wanted["url"]
    return folder == wanted["data_dir"] or not Path(folder).exists()


def _read(path: Path) -> dict[str, str]:
    try:
        content = json.loads(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
