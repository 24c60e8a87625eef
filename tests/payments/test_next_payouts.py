"""What the next run would pay a payee: the same as a run pays, and the reason and the moment of what waits."""

from datetime import timedelta

from sqlalchemy import text
from sqlalchemy.orm import Session

from foundation import clock
from payments import holds, methods, next_payouts, runs
from payments.models import Payee
from payments.next_payouts import NextPayout, Wait
from tests.payments import cleared, owed


def _foresee(db: Session, payee: Payee) -> NextPayout:
    (found,) = next_payouts.foresee(db, payee)
    return found


def _waits(db: Session, payee: Payee) -> list[tuple[str, int]]:
    return [(one.reason, one.amount) for one in _foresee(db, payee).waiting]


def test_what_is_foreseen_is_what_a_run_pays(db: Session, books: None) -> None:
    owed.levy(db, 500, authority="KRA")
    ada = owed.payee(db, 60_000, 5_056)

    foreseen = _foresee(db, ada)
    owed.go_through(db, runs.begin(db, rail="paypal", prepared_by=owed.PREPARER))

    paid = db.execute(text("SELECT gross, withheld, net FROM payouts WHERE payee_id = :id"), {"id": ada.id}).one()
    assert (foreseen.gross, foreseen.withheld, foreseen.net) == tuple(paid)
    assert foreseen.withheld > 0
    assert next_payouts.foresee(db, ada) == []


def test_who_is_owed_nothing_has_nothing_to_foresee(db: Session) -> None:
    assert next_payouts.foresee(db, owed.payee(db)) == []


def test_nothing_is_written_or_locked(db: Session) -> None:
    ada = owed.payee(db, 60_000)
    before = db.execute(text("SELECT count(*) FROM screenings")).scalar_one()

    next_payouts.foresee(db, ada)

    assert db.execute(text("SELECT count(*) FROM screenings")).scalar_one() == before
    assert not db.dirty


def test_who_has_not_said_where_to_waits_in_every_currency(db: Session) -> None:
    ada = owed.payee(db, 60_000, rail=None)
    owed.owe(db, ada, 40_000, currency="EUR")

    eur, usd = next_payouts.foresee(db, ada)

    assert (eur.waiting, eur.net, eur.rail) == ([Wait("no_method", 40_000, 4)], 0, None)
    assert usd.waiting == [Wait("no_method", 60_000, 4)]


def test_a_new_destination_waits_until_it_has_cooled_off(db: Session) -> None:
    ada = owed.payee(db, 60_000, cooling=1)

    (waits,) = _foresee(db, ada).waiting

    method = methods.find_active(db, ada.id)
    assert (waits.reason, waits.amount, waits.until) == ("cooling", 60_000, method.cooling_until)


def test_of_several_holds_the_one_that_ends_last_is_told(db: Session) -> None:
    ada = owed.payee(db, 60_000)
    now = clock.now(db)
    for days, reason in ((5, "The later one."), (2, "The sooner one.")):
        holds.place(db, payee_id=ada.id, reason=reason, made_by="x", until=now + timedelta(days=days))

    (waits,) = _foresee(db, ada).waiting
    holds.place(db, payee_id=ada.id, reason="A court.", made_by="x", is_legal=True)
    (for_good,) = _foresee(db, ada).waiting

    assert (waits.reason, waits.until, waits.note) == ("held", now + timedelta(days=5), "The later one.")
    assert (for_good.until, for_good.note) == (None, "A court.")


def test_what_is_less_than_the_rail_moves_waits(db: Session) -> None:
    assert _waits(db, owed.payee(db, 40_000, rail="payoneer")) == [("too_little", 40_000)]


def test_a_match_and_a_missing_rate_look_the_same(db: Session) -> None:
    ada, ben = owed.payee(db, 60_000), owed.payee(db, 60_000, currency="EUR")
    cleared.listing(db, f"{ada.name},,")

    assert _waits(db, ada) == _waits(db, ben) == [("not_ready", 60_000)]
