"""What workers are called by those who may not know who they are: another name for everybody who looks.

A name is a keyed digest of who looks and whom they see. So it is the same each time and nothing is stored; and without
the house's secret nobody tells who it is, or that two names of two requesters are one person.
"""

import hashlib
import hmac
from collections.abc import Collection

from sqlalchemy.orm import Session

from foundation import pagination

_LENGTH = 16


def of(db: Session, seen_from: str, worker_ids: Collection[str]) -> dict[str, str]:
    """The names of workers as they are seen from somewhere. seen_from : the id of a requester, or of a single task."""
    if not worker_ids:
        return {}
    secret = pagination.signing_secret(db)
    return {worker_id: _name(secret, seen_from, worker_id) for worker_id in worker_ids}


def _name(secret: bytes, seen_from: str, worker_id: str) -> str:
    return hmac.digest(secret, f"pseudonym\n{seen_from}\n{worker_id}".encode(), hashlib.sha256).hex()[:_LENGTH]
