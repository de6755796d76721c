"""Who may ask: roles, and what a key or a shared link stands for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal
from uuid import UUID

Role = Literal["viewer", "editor", "admin"]
Access = Literal["public", "viewer", "editor", "admin"]
RANK: dict[str, int] = {"public": 0, "viewer": 1, "editor": 2, "admin": 3}


@dataclass(frozen=True, slots=True)
class Share:
    """What a shared link opens: the view at an address of the page, at a vector or (None) as it is, for a while.

    made_by  id of the key that made it
    """

    name: str
    path: str
    as_of: str | None
    expires_at: datetime
    made_by: UUID


@dataclass(frozen=True, slots=True)
class Actor:
    """The key or shared link that a request was made with; everything it may see is in its workspace.

    key_id  of the key, or of the share
    """

    key_id: UUID
    workspace: str
    role: Role
    share: Share | None = None

    @property
    def name(self) -> str:
        """As stamped on records: `key:<uuid>`; a share, which writes none, is `share:<uuid>`."""
        return f"{'share' if self.share else 'key'}:{self.key_id}"

    @property
    def ended(self) -> bool:
        return self.share is not None and datetime.now(UTC) >= self.share.expires_at

    def may(self, access: Access) -> bool:
        return RANK[self.role] >= RANK[access]
