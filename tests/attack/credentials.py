"""The tokens of one caller: a good one, and those that are no longer or never were any."""

import base64
from string import Template

from sqlalchemy.orm import Session

from foundation import auth, worlds
from foundation.worlds import World
from tests.attack import corpus
from tests.attack.cells import Cell
from tests.attack.request import Good

# What the row of a cell may call them.
Credentials = dict[str, str]


def issue(db: Session, good: Good) -> Credentials:
    """All of them, for whoever sends the good request."""
    if not good.role:
        return {}
    if good.world is World.TEST and worlds.of(db) is World.LIVE:
        with worlds.in_test(db) as test:
            return issue(test, good)
    _, token = auth.issue(db, role=good.role, subject_id=good.subject, person_ref=good.person)
    ended, revoked = auth.issue(db, role=good.role, subject_id=good.subject)
    auth.revoke(db, ended.id)
    _, expired = auth.issue(db, role=good.role, subject_id=good.subject, days=-1)
    return {
        "token": token,
        "cut": token[:-1],
        "revoked": revoked,
        "expired": expired,
        "scopeless": auth.issue(db, role=good.role, subject_id=good.subject, scopes=[])[1],
        "unknown": auth._new_secret(good.world),
        "basic": base64.b64encode(f"{token}:".encode()).decode(),
    }


def headers(cell: Cell, credentials: Credentials) -> list[tuple[str, bytes]]:
    """The headers of a cell as they go out, with the caller's token unless the entry brings its own."""
    tokens = ["Bearer $token"] if cell.token is None and credentials else cell.token or ()
    sent = [("Authorization", fill(corpus.build(token).decode(), credentials).encode()) for token in tokens]
    return [*cell.headers.items(), *sent]


def fill(text: str, credentials: Credentials) -> str:
    """A text of the corpus with the tokens that it names."""
    return Template(text).safe_substitute(credentials) if "$" in text else text
