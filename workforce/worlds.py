"""A requester's test world: an account, money and workers that are not real, to try out all that is done in earnest.

The account is a requester of the test world (`foundation/worlds.py`), and whoever answers for it a worker there. Both
worlds meet in this file alone: a session of the live one opens the account, and what follows is done with its tokens.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from foundation import auth, clock, ids, worlds
from foundation.errors import Conflict, NotFound, invalid, within
from foundation.worlds import World
from payments import funding, money
from workforce import onboarding, pools, requesters, teams, tiers
from workforce.models import Requester, TestWorld, Worker, WorkerStatus

# What one account may have of it; money in whole units of each currency.
WORKERS_MAX = 100
MONEY_MAX = "1000000"
_GIVEN = "10000"
_GIVEN_IN = ("EUR", "USD")


class NotOpened(NotFound):
    """You have no test world yet."""


class WorkersEnough(Conflict):
    """You have as many test workers as one account may."""


class MoneyEnough(Conflict):
    """You have as much play money as one account may."""


@dataclass(frozen=True, slots=True)
class Entered:
    """A requester's test world, with the secret of a token for it, which is shown once."""

    account_id: str
    opened_at: datetime
    token: str | None = None


@dataclass(frozen=True, slots=True)
class PlayMoney:
    """What an account has free to spend in one currency."""

    currency: str
    available: str


def find(db: Session, requester_id: str) -> Entered:
    """The test world of a requester."""
    found = _current(db, requester_id)
    if found is None:
        raise NotOpened("POST to this address opens it.")
    return Entered(found.account_id, found.created_at)


def enter(db: Session, actor: auth.Actor, *, name: str = "", days: int | None = None) -> Entered:
    """A token for the test world of whoever asks, which may do there what they may do here; it is opened first."""
    requester = _locked(db, actor.subject_id)
    found = _current(db, requester.id)
    with worlds.in_test(db) as test:
        account_id = found.account_id if found is not None else _open(test, requester.name)
        _, secret = auth.issue(
            test, role=requesters.REQUESTER.name, subject_id=account_id, name=name, scopes=sorted(actor.scopes),
            days=days, person_ref=actor.person_ref,
        )  # fmt: skip
    if found is None:
        found = TestWorld(account_id=account_id, requester_id=requester.id, opened_by=actor.person)
        db.add(found)
        db.flush()
    return Entered(found.account_id, found.created_at, secret)


def begin_anew(db: Session, actor: auth.Actor) -> Entered:
    """Let an owner leave all that was tried behind, with an empty world in its place; tokens of the old one end."""
    _locked(db, actor.subject_id)
    teams.require_owner(db, actor.subject_id, actor.person)
    found = _current(db, actor.subject_id)
    if found is None:
        raise NotOpened("There is nothing to leave behind.")
    with worlds.in_test(db) as test:
        theirs = test.scalars(select(Worker.id).where(Worker.works_for == found.account_id)).all()
        auth.revoke_all(test, [found.account_id, *theirs])
    found.ended_by, found.ended_at = actor.person, clock.now(db)
    db.flush()
    return enter(db, actor)


def give_money(db: Session, account_id: str, *, currency: str, amount: str) -> PlayMoney:
    """Let an account of the test world have money that nobody has paid, up to a bound."""
    worlds.require(db, World.TEST)
    _locked(db, account_id)
    with within("/currency"):
        of = money.currency(db, currency)
    with within("/amount"):
        units = money.parse(amount, of)
    most = money.parse(MONEY_MAX, of)
    there = funding.available(db, account_id, currency)
    if there + units > most:
        raise MoneyEnough(f"At most {MONEY_MAX} {currency} at a time; spend some first.")
    funding.top_up(
        db, owner_ref=account_id, currency=currency, amount=units, bank_reference=f"play money {ids.new('ply')}",
        actor_ref=account_id,
    )  # fmt: skip
    return PlayMoney(currency, money.format_amount(there + units, of.ledger_exponent))


def employ(
    db: Session,
    account_id: str,
    *,
    name: str,
    country: str,
    pools_in: Collection[str],
    languages: Mapping[str, str],
    steps: Mapping[str, int],
) -> tuple[Worker, str]:
    """A test worker by name, active at once, and the secret of their one token. Who is there already is put so anew.

    languages : to levels. steps : of ladders, by skill; a project's tier is asked of test workers as of any.
    """
    worlds.require(db, World.TEST)
    _locked(db, account_id)
    worker = db.scalar(of_account(account_id).where(Worker.name == name))
    if worker is None:
        worker, secret = _employ_new(db, account_id, name=name, country=country)
    elif worker.country != country:
        raise invalid({"country": [f"This worker is in {worker.country}; take another name."]})
    else:
        auth.revoke_all(db, [worker.id])
        _, secret = auth.issue(db, role=onboarding.WORKER.name, subject_id=worker.id, name="next token")
    pools.put(db, worker.id, pools_in, put_by=account_id)
    pools.set_languages(db, worker.id, languages)
    for skill, tier in sorted(steps.items()):
        tiers.set_tier(db, worker.id, skill=skill, tier=tier, reason="To be tried.", moved_by=account_id)
    return worker, secret


def of_account(account_id: str) -> Select[Worker]:
    """All test workers of an account."""
    return select(Worker).where(Worker.works_for == account_id)


def _employ_new(db: Session, account_id: str, *, name: str, country: str) -> tuple[Worker, str]:
    n_there = db.scalar(of_account(account_id).with_only_columns(func.count())) or 0
    if n_there >= WORKERS_MAX:
        raise WorkersEnough(f"At most {WORKERS_MAX}; name one of those you have, and you get a new token of theirs.")
    worker, secret = onboarding.apply(db, name=name, country=country)
    worker.works_for = account_id
    db.flush()
    return onboarding.move(db, worker.id, WorkerStatus.ACTIVE), secret


def _open(db: Session, name: str) -> str:
    """A requester of the test world with some money."""
    account = Requester(id=ids.new("req"), name=name)
    db.add(account)
    db.flush()
    funding.register(db, account.id)
    for currency in _GIVEN_IN:
        give_money(db, account.id, currency=currency, amount=_GIVEN)
    return account.id


def _current(db: Session, requester_id: str) -> TestWorld | None:
    return db.scalar(select(TestWorld).where(TestWorld.requester_id == requester_id, TestWorld.ended_at.is_(None)))


def _locked(db: Session, requester_id: str) -> Requester:
    """A requester whose test world changes by one request at a time."""
    return db.get_one(Requester, requester_id, with_for_update={"key_share": True}, populate_existing=True)
