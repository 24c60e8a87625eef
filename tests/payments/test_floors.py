"""Floors: rules by two people, weeks that are held against them, and what the house adds so that nobody earned less."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import create_engine, text
from sqlalchemy.exc import IntegrityError, ProgrammingError
from sqlalchemy.orm import Session

from foundation.pagination import PageRequest
from payments import active_time, adjustments, checks, earnings, floor_weeks, floors, funding, ledger, money, payees
from payments.active_time import Piece
from payments.earnings import Work
from payments.floor_weeks import NoSuchWeek, WeekInvalid, WeekNotOver
from payments.floors import FloorRuleInvalid, NoSuchFloorRule, Terms
from payments.four_eyes import AlreadyConfirmed, SamePerson
from payments.ledger import PAYABLE
from payments.models import FloorRule, Payee
from payments.money import CurrencyRetired, CurrencyUnknown
from tests.conftest import House, held_up
from tests.payments import owed

WEEK = "2026-W05"
MONDAY = datetime(2026, 1, 26, tzinfo=UTC)
CENT, HOUR = 100, 3600


def _rule(db: Session, hourly: str = "5.00", *, confirmed: bool = True, **changes: Any) -> FloorRule:
    terms = {"region": "KE", "currency": "USD", "valid_from": date(2026, 1, 1), "citation": "an act", **changes}
    made = floors.enter(db, Terms(hourly=hourly, **terms), entered_by="finance")
    return floors.confirm(db, made.id, confirmed_by="approver") if confirmed else made


@dataclass(frozen=True)
class Did:
    """An answer of somebody: how long it took, what it pays, when it was given and from which day on that is owed."""

    seconds: float
    amount: int
    currency: str = "USD"
    region: str = "KE"
    given: datetime = MONDAY + timedelta(hours=9)
    due: datetime = MONDAY + timedelta(hours=10)


def _person(db: Session, number: int = 1) -> Payee:
    return payees.register(db, owner_ref=f"wrk_{number}", name="Ada", country="KE")


_answers = iter(range(10**9))


def _work(db: Session, payee: Payee, *done: Did, cause: str | None = None) -> list[str]:
    """Have somebody paid for answers; each is a batch of its own unless one is named. Returns the answers."""
    made = [f"ans_{next(_answers):09}" for _ in done]
    causes = [cause or answer.replace("ans", "bat") for answer in made]
    for batch in dict.fromkeys(causes):
        mine = [one for one, its in zip(done, causes, strict=True) if its == batch]
        _fund(db, batch, f"{batch} {made[0]}", mine[0].currency, sum(funding.with_fee(one.amount) for one in mine))
    earnings.pend(
        db,
        [Work(a, payee.id, c, d.currency, d.amount) for a, c, d in zip(made, causes, done, strict=True)],
    )
    earnings.accept(db, made)
    for answer, one in zip(made, done, strict=True):
        db.execute(text("UPDATE earnings SET due_at = :due WHERE answer_ref = :a"), {"due": one.due, "a": answer})
    active_time.record(db, [_piece(payee, a, c, d) for a, c, d in zip(made, causes, done, strict=True)])
    return made


def _fund(db: Session, cause: str, key: str, currency: str, amount: int) -> None:
    owed.pay_in(db, amount, currency)
    funding.reserve(db, owner_ref=owed.OWNER, cause_ref=cause, key=key, currency=currency, amount=amount)


def _piece(payee: Payee, answer: str, cause: str, did: Did) -> Piece:
    begun = did.given - timedelta(seconds=did.seconds)
    return Piece(answer, payee.id, cause, "image", 1, did.region, begun, did.given)


def _close(db: Session, week: str = WEEK) -> None:
    floor_weeks.begin(db, week, begun_by="finance")
    for _ in floor_weeks.steps(db, week):
        pass


def _weekly(db: Session) -> Sequence[Any]:
    return db.execute(text("SELECT * FROM weekly_pay ORDER BY week, payee_id, currency")).all()


def _top_ups(db: Session, payee: Payee | None = None) -> list[int]:
    rows = text("SELECT amount FROM earnings WHERE kind = 'floor' AND payee_id = coalesce(:id, payee_id) ORDER BY id")
    return list(db.scalars(rows, {"id": payee.id if payee else None}))


# Rules


def test_a_rule_counts_from_its_confirmation_by_another_person(db: Session) -> None:
    rule = _rule(db, confirmed=False)
    assert floors.hourly_by_region(db, "USD").get("KE") is None

    floors.confirm(db, rule.id, confirmed_by="approver")

    assert floors.hourly_by_region(db, "USD").get("KE") == 500 * CENT
    assert (floors.hourly_by_region(db, "KES").get("KE"), floors.hourly_by_region(db, "USD").get("PH")) == (None, None)


def test_whoever_entered_a_rule_cannot_confirm_it(db: Session) -> None:
    rule = _rule(db, confirmed=False)

    with pytest.raises(SamePerson):
        floors.confirm(db, rule.id, confirmed_by="finance")

    assert floors.hourly_by_region(db, "USD").get("KE") is None


def test_a_rule_is_confirmed_once(db: Session) -> None:
    rule = _rule(db)

    with pytest.raises(AlreadyConfirmed):
        floors.confirm(db, rule.id, confirmed_by="somebody")
    with pytest.raises(NoSuchFloorRule):
        floors.confirm(db, "flr_none", confirmed_by="somebody")


def test_the_tables_refuse_one_person_for_two_and_any_other_change(db: Session) -> None:
    rule = _rule(db, confirmed=False)
    confirm = "UPDATE floor_rules SET confirmed_by = entered_by, confirmed_at = now()"

    with pytest.raises(IntegrityError, match="four_eyes"), db.begin_nested():
        db.execute(text(confirm))
    for change in ("UPDATE floor_rules SET hourly = 1", "DELETE FROM floor_rules", "UPDATE weekly_pay SET pay = 1"):
        with pytest.raises(ProgrammingError, match="permission denied"), db.begin_nested():
            db.execute(text(change))
    floors.confirm(db, rule.id, confirmed_by="approver")
    with pytest.raises(ProgrammingError, match="append-only"), db.begin_nested():
        db.execute(text("UPDATE floor_rules SET confirmed_by = NULL, confirmed_at = NULL"))


@pytest.mark.parametrize(
    ("changes", "problem", "pointer"),
    [
        ({"hourly": "0"}, money.AmountInvalid, "/hourly"),
        ({"hourly": "5.00001"}, money.AmountInvalid, "/hourly"),
        ({"hourly": "1000000000000"}, money.AmountInvalid, "/hourly"),
        ({"currency": "XXX"}, CurrencyUnknown, "/currency"),
        ({"currency": "BGN"}, CurrencyRetired, "/currency"),
        ({"valid_to": date(2025, 12, 31)}, FloorRuleInvalid, "/valid_to"),
    ],
)
def test_what_cannot_be_a_floor_is_refused_and_says_where(
    db: Session, changes: dict[str, Any], problem: type[Exception], pointer: str
) -> None:
    with pytest.raises(problem) as refused:
        _rule(db, **changes)

    assert refused.value.errors[0]["pointer"] == pointer  # type: ignore[attr-defined]
    assert db.scalar(text("SELECT count(*) FROM floor_rules")) == 0


def test_the_newest_rule_that_has_begun_counts_and_one_that_ended_leaves_none(db: Session) -> None:
    _rule(db, "4")
    _rule(db, "5", valid_from=date(2026, 2, 1), valid_to=date(2026, 2, 10))
    _rule(db, "6", valid_from=date(2026, 2, 1), valid_to=date(2026, 2, 10))
    _rule(db, "9", valid_from=date(2026, 2, 1), confirmed=False)
    ask = text(floors.in_force("'KE'", "'USD'", "CAST(:day AS date)"))

    found = {
        day: db.scalar(select_hourly, {"day": date.fromisoformat(day)})
        for select_hourly in [text(f"SELECT hourly FROM ({ask}) f")]
        for day in ("2025-12-31", "2026-01-01", "2026-01-31", "2026-02-01", "2026-02-10", "2026-02-11")
    }

    assert list(found.values()) == [None, 40_000, 40_000, 60_000, 60_000, None]


@given(hourly=st.integers(1, 10**12), milliseconds=st.integers(0, 168 * 3_600_000))
def test_a_floor_is_rounded_up_by_less_than_a_unit(hourly: int, milliseconds: int) -> None:
    price = floors.price(hourly, milliseconds, 4)

    assert 0 <= price * 3_600_000 - hourly * milliseconds < 3_600_000


def test_the_known_answer_of_a_thousand_seconds_at_seven_thousand() -> None:
    assert floors.price(7_000, 1_000_000, 4) == 1_945


# A week


def test_a_week_that_paid_too_little_is_lifted_to_the_floor(db: Session, books: None) -> None:
    _rule(db, "5.00")
    ada = _person(db)
    _work(db, ada, Did(HOUR, 300 * CENT), Did(HOUR / 2, 100 * CENT))

    _close(db)

    (week,) = _weekly(db)
    assert (week.milliseconds, week.pay, week.floor, week.top_up) == (5_400_000, 40_000, 75_000, 35_000)
    assert _top_ups(db) == [35_000]
    assert ledger.balance(db, PAYABLE, ada.id, "USD") == 75_000
    (entry,) = [one for one in ledger.journal(db, PageRequest(50)).items if one.kind == "floor"]
    assert entry.idempotency_key == f"flr:{ada.id}:{WEEK}:USD"
    assert [(line.debit, line.credit) for line in entry.lines] == [("floor_topup:house", f"payable:{ada.id}")]


def test_a_week_that_paid_the_floor_or_more_is_left_as_it_is(db: Session, books: None) -> None:
    _rule(db, "5.00")
    _work(db, _person(db), Did(HOUR, 500 * CENT))
    _work(db, _person(db, 2), Did(HOUR, 501 * CENT))

    _close(db)

    assert _top_ups(db) == []
    assert [week.top_up for week in _weekly(db)] == [0, 0]


def test_what_lacks_less_than_a_unit_is_a_unit(db: Session, books: None) -> None:
    _rule(db, "0.0001")
    _work(db, _person(db), Did(HOUR, 1), Did(0.001, 1))
    _work(db, _person(db, 2), Did(HOUR, 1), Did(HOUR, 1), Did(0.001, 1))
    _rule(db, "0.0002", region="PH")
    _work(db, _person(db, 3), Did(HOUR, 1, region="PH"), Did(0.001, 1, region="PH"))

    _close(db)

    # 1 h and 1 ms at 1 unit: 1.0000003, so 2, which is paid; 2 h and 1 ms: 3, paid; 1 h and 1 ms at 2 units: 3, of 2.
    assert [week.floor for week in _weekly(db)] == [2, 3, 3]
    assert _top_ups(db) == [1]


def test_a_bonus_and_goodwill_are_pay_and_a_top_up_of_another_week_is_none(db: Session, books: None) -> None:
    _rule(db, "5.00")
    ada, ben = _person(db), _person(db, 2)
    last_week = timedelta(days=-7)
    for person in (ada, ben):
        _work(db, person, Did(HOUR, 100 * CENT, given=MONDAY + last_week, due=MONDAY + last_week))
        _work(db, person, Did(HOUR, 100 * CENT))
    _close(db, "2026-W04")
    owed.pay_in(db, 10_000 * CENT)
    given = {"payee_id": ada.id, "currency": "USD", "reason": "r", "actor_ref": "f"}
    owed.give_bonus(db, owner_ref=owed.OWNER, amount=250 * CENT, **given)
    owed.give_goodwill(db, amount=100 * CENT, **given)
    db.execute(text("UPDATE earnings SET due_at = :at WHERE kind <> 'answer'"), {"at": MONDAY})

    _close(db)

    assert _top_ups(db, ada) == [400 * CENT, 50 * CENT]
    assert _top_ups(db, ben) == [400 * CENT, 400 * CENT]


def test_only_what_became_due_in_the_week_counts_with_its_time(db: Session, books: None) -> None:
    _rule(db, "5.00")
    instant = timedelta(microseconds=1)
    for due in (MONDAY - instant, MONDAY, MONDAY + timedelta(days=7) - instant, MONDAY + timedelta(days=7)):
        _work(db, ada := _person(db), Did(HOUR, CENT, given=MONDAY - timedelta(days=3), due=due))

    _close(db)

    (week,) = _weekly(db)
    assert (week.payee_id, week.milliseconds, week.pay) == (ada.id, 2 * HOUR * 1000, 2 * CENT)


def test_somebody_who_began_on_friday_is_held_against_the_hours_they_worked(db: Session, books: None) -> None:
    _rule(db, "5.00", valid_from=date(2026, 1, 30))
    friday = MONDAY + timedelta(days=4, hours=9)
    _work(db, _person(db), Did(HOUR / 4, 10 * CENT, given=friday, due=friday))

    _close(db)

    assert [(week.floor, week.top_up) for week in _weekly(db)] == [(125 * CENT, 115 * CENT)]


def test_somebody_without_an_answer_gets_nothing(db: Session, books: None) -> None:
    _rule(db, "5.00")
    ada = _person(db)
    owed.pay_in(db, 1_000 * CENT)
    owed.give_goodwill(db, payee_id=ada.id, currency="USD", amount=1, reason="r", actor_ref="f")
    db.execute(text("UPDATE earnings SET due_at = :at"), {"at": MONDAY})

    _close(db)

    assert (_weekly(db), _top_ups(db)) == ([], [])
    (row,) = floor_weeks.page(db, PageRequest(9)).items
    assert (row.state, row.n_payees, row.added) == ("closed", 0, [])


def test_an_idle_tab_and_a_lease_of_ten_hours_are_no_work_of_ten_hours(db: Session, books: None) -> None:
    _rule(db, "5.00")
    quick, slow, idle = _person(db), _person(db, 2), _person(db, 3)
    owed.pay_in(db, 10**7)
    _work(db, quick, *[Did(60, 10 * CENT)] * 8, cause="bat_1")
    _work(db, slow, Did(600, 10 * CENT), cause="bat_1")
    _work(db, idle, Did(10 * HOUR, 10 * CENT), cause="bat_1")

    _close(db)

    assert [week.milliseconds for week in _weekly(db)] == [480_000, 600_000, 600_000]
    # The slow reader's ten minutes count in full; at 5.00 an hour they are worth 0.8334.
    assert (_top_ups(db, quick), _top_ups(db, slow), _top_ups(db, idle)) == ([], [7_334], [7_334])


def test_a_payouts_fee_that_makes_pay_fall_below_the_floor_is_added(db: Session) -> None:
    _rule(db, "5.00")
    ada = _person(db)
    _work(db, ada, Did(HOUR, 520 * CENT))
    _paid_out(db, ada, "settled", fee=50 * CENT)
    _paid_out(db, ada, "failed", fee=90 * CENT)
    _paid_out(db, ada, "settled", fee=90 * CENT, at=MONDAY + timedelta(days=7))

    _close(db)

    (week,) = _weekly(db)
    assert (week.pay, week.fees, week.floor, week.top_up) == (52_000, 5_000, 50_000, 3_000)


def _paid_out(db: Session, payee: Payee, state: str, *, fee: int, at: datetime = MONDAY) -> None:
    """A payout that cost its payee something; nothing takes such a fee yet, so it has no entries and no items."""
    number = next(_answers)
    method = owed.set_method(db, payee)
    db.execute(
        text("""
            WITH run AS (
                INSERT INTO payout_runs (id, rail, currency, state, cut_off, prepared_by, approved_by, approved_at,
                                         exported_at)
                VALUES ('run_' || :n, 'paypal', 'USD', 'exported', :at, 'f', 'a', :at, :at) RETURNING id)
            INSERT INTO payouts (id, run_id, payee_id, method_id, fingerprint, part, currency, earned_currency, gross,
                                 fee, net, end_to_end_id, state)
            SELECT 'pyo_' || :n, id, :payee, :method, '', 0, 'USD', 'USD', :fee + 1, :fee, 1, :n, :state FROM run
        """),
        {"n": str(number), "at": at, "payee": payee.id, "method": method.id, "fee": fee, "state": state},
    )


def test_what_was_taken_back_is_neither_pay_nor_work(db: Session, books: None) -> None:
    _rule(db, "5.00")
    _, taken = _work(db, _person(db), Did(HOUR, 400 * CENT), Did(5 * HOUR, 10 * CENT))
    earning = db.scalars(text("SELECT id FROM earnings WHERE answer_ref = :a"), {"a": taken}).one()
    adjustments.reverse(db, [earning], reason="A bot", actor_ref="ops")

    _close(db)

    assert [(week.milliseconds, week.pay, week.top_up) for week in _weekly(db)] == [(3_600_000, 40_000, 10_000)]


def test_a_top_up_that_is_taken_back_goes_back_to_the_house(db: Session, books: None) -> None:
    _rule(db, "5.00")
    ada = _person(db)
    _work(db, ada, Did(HOUR, 400 * CENT))
    _close(db)
    (earning,) = db.scalars(text("SELECT id FROM earnings WHERE kind = 'floor'")).all()

    (effect,) = adjustments.reverse(db, [earning], reason="A bot", actor_ref="ops")

    assert (effect.amount_before, effect.returned) == (100 * CENT, 0)
    assert ledger.balance(db, PAYABLE, ada.id, "USD") == 400 * CENT


def test_pay_in_another_currency_than_the_rules_is_left_out_and_counted_so(db: Session, books: None) -> None:
    _rule(db, "5.00")
    ada = _person(db)
    _work(db, ada, Did(HOUR, 100 * CENT), Did(HOUR, 100 * CENT, currency="EUR"))
    _work(db, _person(db, 2), Did(HOUR, 100 * CENT, region="PH"))

    _close(db)

    found = [(week.currency, week.left_out_ms, week.floor, week.top_up) for week in _weekly(db)]
    assert found == [("EUR", 3_600_000, 0, 0), ("USD", 0, 50_000, 40_000), ("USD", 3_600_000, 0, 0)]
    (row,) = floor_weeks.page(db, PageRequest(9)).items
    assert (row.n_payees, row.n_topped_up, row.n_left_out) == (2, 1, 2)
    assert row.added == [floor_weeks.Added("USD", 4, 1, 40_000)]


def test_a_week_in_which_a_currency_became_another_never_adds_the_two_up(db: Session, books: None) -> None:
    old = {"id": "flr_old", "currency": "VES.2018", "hourly": 10**9, "valid_to": date(2021, 9, 30)}
    db.add(FloorRule(region="VE", valid_from=date(2021, 1, 1), citation="c", entered_by="f", confirmed_by="a",
                     confirmed_at=MONDAY, **old))  # fmt: skip
    _rule(db, "1", region="VE", currency="VES", valid_from=date(2021, 10, 1))
    thursday, friday = (datetime(2021, 9, 30, 12, tzinfo=UTC), datetime(2021, 10, 1, 12, tzinfo=UTC))
    ana = _person(db)
    _work(
        db,
        ana,
        Did(HOUR, 9 * 10**8, "VES.2018", "VE", thursday, thursday),
        Did(HOUR, 9_000, "VES", "VE", friday, friday),
    )

    _close(db, "2021-W39")

    assert [(week.currency, week.top_up) for week in _weekly(db)] == [("VES", 1_000), ("VES.2018", 10**8)]


def test_a_rule_that_begins_on_thursday_counts_from_thursday_on(db: Session, books: None) -> None:
    _rule(db, "4")
    _rule(db, "6", valid_from=date(2026, 1, 29))
    wednesday = MONDAY + timedelta(days=3) - timedelta(microseconds=1)
    done = [Did(HOUR, CENT, given=given) for given in (wednesday, MONDAY + timedelta(days=3))]
    _work(db, _person(db), *done)

    _close(db)

    assert [week.floor for week in _weekly(db)] == [1_000 * CENT]


def test_a_rule_that_comes_later_changes_no_week_that_is_closed(db: Session, books: None) -> None:
    _rule(db, "4")
    _work(db, _person(db), Did(HOUR, 500 * CENT))
    _close(db)
    _rule(db, "9")

    _close(db)

    assert _top_ups(db) == []


# Steps


def test_a_week_that_is_held_against_the_floor_twice_is_as_after_the_first_time(db: Session, books: None) -> None:
    _rule(db, "5.00")
    _work(db, _person(db), Did(HOUR, CENT))
    _close(db)
    before = _weekly(db)

    _close(db)
    for _ in floor_weeks.go_on(db):
        pass

    assert _weekly(db) == before
    assert len(_top_ups(db)) == 1


def test_a_week_that_dies_between_two_steps_goes_on_where_it_was(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(floor_weeks, "_AT_ONCE", 2)
    with house.sessions() as db:
        _rule(db, "5.00")
        for number in range(5):
            _work(db, _person(db, number), Did(HOUR, 100 * CENT))
        floor_weeks.begin(db, WEEK, begun_by="finance")
        db.commit()
    with house.sessions() as db:
        steps = floor_weeks.steps(db, WEEK)
        next(steps)
        db.commit()
        next(steps)
        db.rollback()
    with house.sessions() as db:
        (row,) = floor_weeks.page(db, PageRequest(9)).items
        assert (row.state, row.n_payees, len(_top_ups(db))) == ("counting", 2, 2)

    with house.sessions() as db:
        taken = 0
        for _ in floor_weeks.go_on(db):
            db.commit()
            taken += 1

    with house.sessions() as db:
        (row,) = floor_weeks.page(db, PageRequest(9)).items
        assert (taken, row.state, row.n_payees, row.n_topped_up) == (3, "closed", 5, 5)
        assert _top_ups(db) == [400 * CENT] * 5


def test_two_who_go_on_with_a_week_at_once_add_once(house: House) -> None:
    with house.sessions() as db:
        _rule(db, "5.00")
        _work(db, _person(db), Did(HOUR, 100 * CENT))
        floor_weeks.begin(db, WEEK, begun_by="finance")
        db.commit()

    def close(session: Session) -> int:
        return sum(1 for _ in floor_weeks.steps(session, WEEK))

    with house.sessions() as db:
        steps = floor_weeks.steps(db, WEEK)
        next(steps)
        with held_up(house, close) as other:
            db.commit()
            assert other.result() == 1

    with house.sessions() as db:
        assert _top_ups(db) == [400 * CENT]


def test_a_week_is_begun_when_it_is_over_and_once(db: Session) -> None:
    now = db.scalars(text("SELECT now()")).one()
    this_week = "{}-W{:02}".format(*now.isocalendar())

    with pytest.raises(WeekNotOver):
        floor_weeks.begin(db, this_week, begun_by="finance")
    first = floor_weeks.begin(db, WEEK, begun_by="finance")
    again = floor_weeks.begin(db, WEEK, begun_by="somebody")

    assert (first.begun_by, again.begun_by) == ("finance", "finance")
    assert db.scalar(text("SELECT count(*) FROM floor_weeks")) == 1


@pytest.mark.parametrize(
    "week", ["2026-W54", "2027-W53", "2026-W00", "2026-5", "1999-W05", "2026-W05\n", "", "２０26-W05"]
)
def test_what_is_no_week_is_refused(db: Session, week: str) -> None:
    with pytest.raises(WeekInvalid):
        floor_weeks.begin(db, week, begun_by="finance")


def test_a_week_that_nobody_began_has_no_steps(db: Session) -> None:
    with pytest.raises(NoSuchWeek):
        next(floor_weeks.steps(db, WEEK))


def test_the_first_week_of_a_year_may_begin_in_the_old_one() -> None:
    assert floor_weeks.span("2026-W01").since == datetime(2025, 12, 29, tzinfo=UTC)
    assert floor_weeks.span("2026-W53").until == datetime(2027, 1, 4, tzinfo=UTC)


def test_a_week_that_claims_more_than_the_books_added_is_found(house: House) -> None:
    with house.sessions() as db:
        _rule(db, "5.00")
        _work(db, _person(db), Did(HOUR, 100 * CENT))
        _close(db)
        db.commit()
    engine = create_engine(house.urls.owner)
    with Session(engine) as db:
        db.execute(text("ALTER TABLE weekly_pay DISABLE TRIGGER USER"))
        db.execute(text("UPDATE weekly_pay SET pay = pay - 1, top_up = top_up + 1"))

        assert checks.check(db)["I19 nobody earned less in a closed week than the floor, by what the books added"]
        db.rollback()
    engine.dispose()


@given(data=st.data())
def test_nobody_earns_less_than_the_floor_nor_a_unit_more_than_lacks(data: st.DataObject) -> None:
    hourly = data.draw(st.integers(1, 10**6))
    done = data.draw(st.lists(st.tuples(st.integers(0, 10**8), st.integers(1, 10**6)), min_size=1, max_size=9))
    row = _Row(sum(ms for ms, _ in done) * hourly, sum(pay for _, pay in done), data.draw(st.integers(0, 10**6)))

    week = floor_weeks._weigh(row)

    net = row.pay - row.fees + week.top_up
    assert week.floor == 0 or net >= week.floor
    assert week.top_up == 0 or (net - 1) * 3_600_000 < row.hourly_ms


@dataclass(frozen=True)
class _Row:
    hourly_ms: int
    pay: int
    fees: int
    exponent: int = 4
