"""Keyset pages with signed cursors. No Flask here.

A cursor names the last row seen, not a number of rows to skip, so nothing is missed or doubled while others write.
It is signed and bound to the caller, the address and the filter: it cannot be forged or carried elsewhere.
"""

import base64
import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import LargeBinary, Select, select
from sqlalchemy.orm import InstrumentedAttribute, Mapped, Session, mapped_column

from foundation.db import Base, IdText
from foundation.errors import BadRequest

LIMIT_DEFAULT = 50
LIMIT_MAX = 200
_SIGNATURE_LENGTH = 16


class SigningKey(Base):
    """A secret of this installation, made by the first migration."""

    __tablename__ = "signing_keys"

    name: Mapped[str] = mapped_column(IdText, primary_key=True)
    secret: Mapped[bytes] = mapped_column(LargeBinary)


class CursorRefused(BadRequest):
    """The cursor does not belong to this list."""


@dataclass(frozen=True, slots=True)
class PageRequest:
    """How many rows, after which one."""

    limit: int
    after: str | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """Some rows of a list, and the key of the last one if more follow."""

    items: Sequence[Any]
    last: str | None


def read(
    db: Session,
    rows: Select[*tuple[Any, ...]],
    by: InstrumentedAttribute[Any],
    page: PageRequest,
    *,
    newest_first: bool = True,
) -> Page:
    """One page of a query, ordered by a unique, time-ordered column of ids or numbers."""
    if page.after is not None:
        after = by.type.python_type(page.after)
        rows = rows.where(by < after if newest_first else by > after)
    ordered = rows.order_by(by.desc() if newest_first else by.asc()).limit(page.limit + 1)
    found = db.execute(ordered).all()
    items = [row[0] if len(row) == 1 else row for row in found[: page.limit]]
    last = str(getattr(items[-1], by.key)) if len(found) > page.limit else None
    return Page(items=items, last=last)


def signing_secret(db: Session) -> bytes:
    """The installation's secret for cursors."""
    return db.execute(select(SigningKey.secret).where(SigningKey.name == "cursor")).scalar_one()


def seal(secret: bytes, last: str, context: str) -> str:
    """A cursor for the row `last` of the list that `context` describes."""
    return base64.urlsafe_b64encode(_sign(secret, last, context) + last.encode()).decode().rstrip("=")


def unseal(secret: bytes, cursor: str, context: str) -> str:
    """The row that a cursor names. Raises `CursorRefused` for any other list's cursor."""
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        last = raw[_SIGNATURE_LENGTH:].decode()
    except ValueError as error:
        raise CursorRefused("Take the cursor from the previous page of this list.") from error
    if not hmac.compare_digest(raw[:_SIGNATURE_LENGTH], _sign(secret, last, context)):
        raise CursorRefused("Take the cursor from the previous page of this list.")
    return last


def _sign(secret: bytes, last: str, context: str) -> bytes:
    return hmac.digest(secret, f"{context}\n{last}".encode(), hashlib.sha256)[:_SIGNATURE_LENGTH]
