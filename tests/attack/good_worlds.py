"""Requests about test worlds that are answered as they should be."""

from collections.abc import Callable
from typing import Any

from sqlalchemy.orm import Session

from foundation.auth import Actor
from foundation.worlds import World
from tests import factories
from tests.attack.request import Good
from workforce import worlds


def _opened(db: Session) -> tuple[str, str]:
    """A requester and the account of their test world."""
    requester = factories.create_requester(db, funds=None)
    actor = Actor("", requester.id, "requester", frozenset({"requester", "funds"}))
    return requester.id, worlds.enter(db, actor).account_id


def _theirs(body: Any = None) -> Callable[[Session], Good]:
    return lambda db: Good("requester", _opened(db)[0], body=body)


def _in_it(body: Any = None, **said: Any) -> Callable[[Session], Good]:
    return lambda db: Good("requester", _opened(db)[1], body=body, world=World.TEST, **said)


_WORKER = {
    "name": "Ada",
    "country": "KE",
    "pools": ["vendor"],
    "languages": [{"language": "sw", "level": "c1"}],
    "tiers": [{"skill": "image.birds", "tier": 3}],
}

GOOD: dict[str, Callable[[Session], Good]] = {
    "GET /api/me/test-world": _theirs(),
    "POST /api/me/test-world": _theirs({"name": "for trying", "days": 7}),
    "POST /api/me/test-world/reset": _theirs(),
    "POST /api/me/test-funds": _in_it(
        {"currency": "USD", "amount": "1.00"}, known={"/currency": 422}, dear={"/amount": 409}
    ),
    "POST /api/me/test-workers": _in_it(_WORKER),
    "GET /api/me/test-workers": _in_it(query="limit=1"),
}
