"""KYC: what is recorded of payees and until when it counts, and rules by which somebody has to be verified."""

import io
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy.orm import Session

from foundation import clock
from foundation.errors import Invalid, NotFound
from foundation.pagination import PageRequest
from payments import kyc, kyc_rules, rule_files
from payments.four_eyes import AlreadyConfirmed, SamePerson
from payments.kyc import Finding, KycMoveNotAllowed, KycRecordInvalid
from payments.kyc_rules import KycRuleInvalid, NoSuchKycRule
from payments.models import KycPeriod, KycRecord, KycState
from payments.rule_files import RuleFileInvalid
from tests.payments import cleared, owed
from tests.payments.cleared import APPROVER, RECORDER

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


def _verified(db: Session, days: int = 30) -> Finding:
    until = clock.now(db).date() + timedelta(days=days)
    return Finding("verified", provider="Smile ID", reference="job 1", expires_on=until)


# What is recorded


def test_a_payee_is_looked_at_and_then_verified_until_a_day(db: Session) -> None:
    ada = owed.payee(db, rail=None)

    kyc.record(db, ada.id, Finding("pending"), recorded_by=RECORDER)
    made = kyc.record(db, ada.id, _verified(db), recorded_by=RECORDER)

    last = kyc.last(db, ada.id)
    assert last is not None
    assert (last.id, last.state, last.provider, last.reference) == (made.id, "verified", "Smile ID", "job 1")
    assert kyc.state_on(last, "KE", clock.now(db)) == KycState.VERIFIED


def test_of_whom_nothing_is_recorded_is_not_known(db: Session) -> None:
    ada = owed.payee(db, rail=None)

    assert kyc.state_on(kyc.last(db, ada.id), "KE", clock.now(db)) == KycState.NONE


# Kenya's midnight is at nine in the evening of UTC, Caracas's at four in the morning.
@pytest.mark.parametrize(
    ("country", "at", "state"),
    [
        ("KE", datetime(2026, 5, 31, 20, 59, 59, tzinfo=UTC), "verified"),
        ("KE", datetime(2026, 5, 31, 21, tzinfo=UTC), "expired"),
        ("VE", datetime(2026, 6, 1, 3, 59, 59, tzinfo=UTC), "verified"),
        ("VE", datetime(2026, 6, 1, 4, tzinfo=UTC), "expired"),
    ],
)
def test_a_verification_counts_to_the_end_of_its_last_day_where_the_payee_lives(
    country: str, at: datetime, state: str
) -> None:
    record = KycRecord(state="verified", expires_on=date(2026, 5, 31))

    assert kyc.state_on(record, country, at) == state


_MOVES = {
    "none": {"pending"},
    "pending": {"verified", "refused"},
    "verified": {"verified", "pending", "expired", "refused"},
    "expired": {"pending", "verified"},
    "refused": {"pending"},
}


@pytest.mark.parametrize("before", _MOVES)
@pytest.mark.parametrize("wanted", ["pending", "verified", "expired", "refused"])
def test_a_state_follows_on_those_that_it_may(db: Session, before: str, wanted: str) -> None:
    ada = owed.payee(db, rail=None)
    if before != "none":
        until = clock.now(db).date() + timedelta(days=1) if before == "verified" else None
        db.add(
            KycRecord(
                id="kyc_0", payee_id=ada.id, state=before, provider="p", reference="r", expires_on=until, note="n",
                recorded_by="f",
            )
        )  # fmt: skip
        db.flush()
    finding = _verified(db) if wanted == "verified" else Finding(wanted, note="Two people in one.")

    if wanted in _MOVES[before]:
        assert kyc.record(db, ada.id, finding, recorded_by=RECORDER).state == wanted
    else:
        with pytest.raises(KycMoveNotAllowed, match=f"This payee is {before}"):
            kyc.record(db, ada.id, finding, recorded_by=RECORDER)


WRONG = {
    "nobody is unknown again": (Finding("none"), "/state"),
    "by whom": (Finding("verified", reference="r", expires_on=date(2026, 12, 31)), "/provider"),
    "under which reference": (Finding("verified", provider="p", expires_on=date(2026, 12, 31)), "/reference"),
    "until when": (Finding("verified", provider="p", reference="r"), "/expires_on"),
    "yesterday": (Finding("verified", provider="p", reference="r", expires_on=date(2020, 1, 1)), "/expires_on"),
    "for ever": (Finding("verified", provider="p", reference="r", expires_on=date(9999, 1, 1)), "/expires_on"),
    "pending until": (Finding("pending", expires_on=date(2026, 12, 31)), "/expires_on"),
    "refused without a reason": (Finding("refused"), "/note"),
}


@pytest.mark.parametrize(("finding", "place"), WRONG.values(), ids=WRONG.keys())
def test_what_cannot_be_recorded_is_refused_where_it_is(db: Session, finding: Finding, place: str) -> None:
    ada = owed.payee(db, rail=None)

    with pytest.raises(KycRecordInvalid) as refused:
        kyc.record(db, ada.id, finding, recorded_by=RECORDER)

    assert [error["pointer"] for error in refused.value.errors] == [place]
    assert kyc.last(db, ada.id) is None


def test_nobody_records_themselves(db: Session) -> None:
    ada = owed.payee(db, rail=None)

    with pytest.raises(SamePerson, match="about yourself"):
        kyc.record(db, ada.id, Finding("pending"), recorded_by=ada.owner_ref)


def test_a_payee_who_is_not_there_has_no_record(db: Session) -> None:
    with pytest.raises(NotFound):
        kyc.record(db, "pye_x", Finding("pending"), recorded_by=RECORDER)


def test_who_expires_soon_is_found_once_and_who_was_renewed_is_not(db: Session) -> None:
    soon, later, renewed = (owed.payee(db, rail=None) for _ in range(3))
    for payee, days in ((soon, 30), (later, 31), (renewed, 30)):
        cleared.verify(db, payee, days=days)
    kyc.record(db, renewed.id, _verified(db, 300), recorded_by=RECORDER)

    found = db.scalars(kyc.listed(db, expiring_within_days=30)).all()

    assert [one.payee_id for one in found] == [soon.id]


# Rules


def _in_force(db: Session, country: str = "KE", at: datetime = NOON) -> list[tuple[str, str, int]]:
    return [(one.currency, one.period, one.threshold) for one in kyc_rules.in_force(db, [country], at)[country]]


def test_a_rule_counts_once_another_person_has_confirmed_it(db: Session) -> None:
    terms = kyc_rules.Terms("USD", "total", date(2026, 1, 1), "A circular.", threshold="100")
    entered = kyc_rules.enter(db, terms, entered_by=RECORDER)
    assert _in_force(db) == []

    with pytest.raises(SamePerson):
        kyc_rules.confirm(db, entered.id, confirmed_by=RECORDER)
    kyc_rules.confirm(db, entered.id, confirmed_by=APPROVER)

    assert _in_force(db) == [("USD", "total", 100_0000)]
    with pytest.raises(AlreadyConfirmed):
        kyc_rules.confirm(db, entered.id, confirmed_by="olga")
    with pytest.raises(NoSuchKycRule):
        kyc_rules.confirm(db, "kyr_x", confirmed_by=APPROVER)


def test_a_countrys_own_rule_stands_before_the_one_for_everywhere(db: Session) -> None:
    cleared.rule(db, "100")
    cleared.rule(db, "500", country="KE")
    cleared.rule(db, "700", period="rolling_year")

    assert _in_force(db, "KE") == [("USD", "rolling_year", 700_0000), ("USD", "total", 500_0000)]
    assert _in_force(db, "PH") == [("USD", "rolling_year", 700_0000), ("USD", "total", 100_0000)]


def test_a_rule_begins_and_ends_with_the_days_of_the_country(db: Session) -> None:
    cleared.rule(db, "1", valid_from=date(2026, 6, 1), valid_to=date(2026, 6, 1))
    begin = datetime(2026, 5, 31, 21, tzinfo=UTC)

    assert _in_force(db, "KE", begin - timedelta(seconds=1)) == []
    assert _in_force(db, "KE", begin) == _in_force(db, "KE", begin + timedelta(hours=23, minutes=59)) != []
    assert _in_force(db, "KE", begin + timedelta(days=1)) == []


def test_a_newer_rule_replaces_one_and_is_not_followed_by_it_when_it_ends(db: Session) -> None:
    cleared.rule(db, "1")
    cleared.rule(db, "2", valid_from=date(2026, 2, 1), valid_to=date(2026, 5, 1))

    assert _in_force(db, at=datetime(2026, 1, 15, tzinfo=UTC)) == [("USD", "total", 1_0000)]
    assert _in_force(db, at=datetime(2026, 3, 1, tzinfo=UTC)) == [("USD", "total", 2_0000)]
    assert _in_force(db) == []


def test_a_rule_that_ends_before_it_begins_is_refused(db: Session) -> None:
    terms = kyc_rules.Terms("USD", "total", date(2026, 2, 1), "c", valid_to=date(2026, 1, 1))

    with pytest.raises(KycRuleInvalid):
        kyc_rules.enter(db, terms, entered_by=RECORDER)


def test_a_rule_in_what_is_no_money_is_refused(db: Session) -> None:
    with pytest.raises(Invalid):
        kyc_rules.enter(db, kyc_rules.Terms("XXX", "total", date(2026, 2, 1), "c"), entered_by=RECORDER)


def test_rules_come_from_a_file_once(db: Session) -> None:
    text = "country,currency,threshold,period,valid_from,valid_to,citation\n,USD,,total,2026-01-01,,A circular\n"
    file = text + "KE,KES,100000,rolling_year,2026-01-01,2026-12-31,Another\n"

    first = rule_files.enter(db, io.BytesIO(file.encode()), rule_files.KYC, entered_by=RECORDER)
    second = rule_files.enter(db, io.BytesIO(file.encode()), rule_files.KYC, entered_by=RECORDER)

    assert (first.entered, second.entered, second.known) == (2, 0, 2)
    rows = kyc_rules.page(db, PageRequest(10), country="KE").items
    assert [(one.country, one.threshold, one.period) for one in rows] == [("KE", 100_000_0000, KycPeriod.ROLLING_YEAR)]


def test_a_rule_that_cannot_be_names_its_line(db: Session) -> None:
    file = b"country,currency,threshold,period,valid_from,valid_to,citation\n,USD,1,weekly,2026-01-01,,c\n"

    with pytest.raises(RuleFileInvalid, match="Line 2: period"):
        rule_files.enter(db, io.BytesIO(file), rule_files.KYC, entered_by=RECORDER)
