"""Exports as tests make them: asked for, all steps taken, and the bytes."""

import csv
import hashlib
import io
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy.orm import Session

from foundation import clock
from foundation.auth import Actor
from payments import account_codes, export_making, exports, fx, ledger
from payments.models import Export

FINANCE = "wanjiru"


def ask(db: Session, kind: str, format_: str = "csv", **parameters: Any) -> Export:
    """An export that nobody has begun to make."""
    return exports.ask(db, kind=kind, format_=format_, parameters=parameters, made_by=FINANCE)


def finish(db: Session, export: Export) -> Export:
    """All steps of it."""
    for _ in export_making.steps(db, export.id):
        db.flush()
    db.refresh(export)
    return export


def make(db: Session, kind: str, format_: str = "csv", **parameters: Any) -> tuple[Export, bytes]:
    """A finished export and its bytes, which are what its manifest says."""
    export = finish(db, ask(db, kind, format_, **parameters))
    assert export.state == "ready", export.failure
    content = take(db, export)
    assert hashlib.sha256(content).hexdigest() == export.hash_text
    assert len(content) == export.n_bytes
    return export, content


def take(db: Session, export: Export) -> bytes:
    return b"".join(exports.take(db, export.id, taken_by="oscar").chunks())


def rows(content: bytes) -> list[dict[str, str]]:
    """CSV as what it says."""
    return list(csv.DictReader(io.StringIO(content.decode(), newline="")))


def saved(content: bytes, path: Path) -> Path:
    path.write_bytes(content)
    return path


def enter_rate(db: Session, base: str, quote: str, rate: str) -> None:
    """A rate that counts."""
    now = clock.now(db)
    made = fx.enter(
        db, base=base, quote=quote, rate=rate, source="ECB", fetched_at=now, valid_until=now + timedelta(hours=12),
        entered_by=FINANCE,
    )  # fmt: skip
    fx.confirm(db, made.id, Actor(token_id="", subject_id="oscar", role="approver", scopes=frozenset()))


def set_codes(db: Session, **codes: str) -> None:
    """A code for every role, R and its name, but for these."""
    account_codes.replace(db, {**{role: f"R {role}" for role in ledger.ROLES}, **codes}, set_by=FINANCE)
