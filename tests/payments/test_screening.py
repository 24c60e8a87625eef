"""Screenings: who is found on a list, when they are screened again, who decides, and what comes of it."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from foundation import jobs
from payments import blocks, clearance, payouts, reviews, runs, screening, watch_list
from payments.four_eyes import SamePerson
from payments.models import Payee, Screening, WatchListRow
from payments.reviews import NoSuchScreening, NothingToDecide
from payments.screening import NoListToScreenAgainst
from payments.watch_list import WatchListInvalid
from tests.conftest import House
from tests.payments import cleared, owed
from tests.payments.cleared import APPROVER, OTHER, RECORDER
from tests.payments.owed import PREPARER, go_through

CENT = 100


def _named(db: Session, name: str, *amounts: int) -> Payee:
    payee = owed.payee(db, *amounts)
    payee.name = name
    db.flush()
    return payee


def _last(db: Session, payee: Payee) -> Screening:
    return db.scalars(screening.listed(payee_id=payee.id).order_by(Screening.id.desc()).limit(1)).one()


def _waiting(db: Session) -> list[str]:
    return [one.payee_id for one in db.scalars(screening.listed(waiting=True).order_by(Screening.id))]


# Names


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("Iván  PETROV", "ivan petrov"),
        ("Petrov, Ivan (Jr.)", "ivan jr petrov"),
        ("O'Brien-Ọlá", "brien o ola"),
        ("Straße", "strasse"),
        ("ﬁnn Ⅳ", "finn iv"),
        ("Ivan Ivan", "ivan"),
        ("李 小龙", "小龙 李"),
        ("محمد علي", "علي محمد"),
        (" ?! ", ""),
    ],
)
def test_a_name_is_compared_by_its_words_without_accents_case_and_punctuation(name: str, words: str) -> None:
    assert " ".join(watch_list.tokens(name)) == words


@given(st.text(max_size=60))
def test_the_words_of_a_name_are_their_own_words(name: str) -> None:
    words = watch_list.tokens(name)

    assert watch_list.tokens(" ".join(reversed(words))) == words
    assert words == sorted(set(words))


ALIKE = {
    "the same": ("Ivan Petrov", "Ivan Petrov", 100),
    "turned round": ("Petrov, Iván", "ivan petrov", 100),
    "with a middle name": ("Ivan Petrov", "Ivan Sergeyevich Petrov", 66),
    "without one": ("Ivan Sergeyevich Petrov", "Ivan Petrov", 66),
    "one name each": ("Sukarno", "SUKARNO", 100),
    "one of two names": ("Ivan", "Ivan Petrov", None),
    "another first name": ("Ivan Petrov", "Maria Petrov", None),
    # What it cannot see, said openly.
    "another spelling": ("Pyotr Ivanov", "Petr Ivanov", None),
    "another script": ("Иван Петров", "Ivan Petrov", None),
}


@pytest.mark.parametrize(("listed", "name", "score"), ALIKE.values(), ids=ALIKE.keys())
def test_who_has_a_listed_name_waits_for_a_person(
    db: Session, books: None, listed: str, name: str, score: int | None
) -> None:
    payee = _named(db, name, CENT)

    cleared.listing(db, f'"{listed}",,')

    found = _last(db, payee)
    assert (found.outcome, found.score) == (("clear", 0) if score is None else ("review", score))
    assert clearance.barred(db, [payee.id]) == ({} if score is None else {payee.id: "screening"})


def test_a_row_means_whoever_has_all_that_it_gives(db: Session) -> None:
    ada, ben = _named(db, "Ada Otieno"), _named(db, "Ben Otieno")
    method = owed.set_method(db, ben, mark=bytes(range(32)))
    account = method.account_fingerprint.hex()

    def found(*rows: str) -> set[str]:
        cleared.listing(db, *rows)
        return {payee.id for payee in (ada, ben) if _last(db, payee).outcome == "review"}

    assert found("Ada Otieno,PH,") == set()
    assert found("Ada Otieno,KE,") == {ada.id}
    assert found(f",,{account}") == {ben.id}
    assert found(f"Ada Otieno,,{account}") == set()
    assert found(f",PH,{account}") == set()
    assert found(",KE,") == {ada.id, ben.id}


def test_what_was_found_is_kept_with_the_list_the_score_and_the_payee_as_they_were(db: Session) -> None:
    ada = _named(db, "Ada Otieno")

    begun = cleared.listing(db, "Somebody Else,,", "Otieno Ada,KE,")

    found = _last(db, ada)
    assert (found.list_version, found.name, found.country, found.score) == (
        begun.list_version, "Ada Otieno", "KE", 100,
    )  # fmt: skip
    assert found.findings == {"items": [{"kind": "list", "name": "Otieno Ada", "country": "KE", "account": ""}]}
    assert (begun.state, begun.n_payees, begun.n_reviews) == ("done", 1, 1)


# Files


BAD = {
    "another heading": (b"name,country\n", "The first line must be name,country,account"),
    "nothing": (b"", "The first line"),
    "too few cells": (b"name,country,account\nA B,KE\n", "Line 2 has 2 cells"),
    "nobody": (b"name,country,account\n , ,\n", "Line 2 means nobody"),
    "a country": (b"name,country,account\nA,Kenya,\n", "Line 2: country"),
    "an account": (b"name,country,account\nA,,DE89\n", "Line 2: account"),
    "no letters": (b"name,country,account\n---,,\n", "Line 2: name"),
    "a long name": (b"name,country,account\n" + b"a" * 501 + b",,\n", "Line 2: name"),
    "a NUL": (b"name,country,account\na\0b,,\n", "name|CSV"),
    "no UTF-8": (b"name,country,account\n\xff,,\n", "not UTF-8"),
    "an open quote": (b'name,country,account\n"a,,\n', "is no CSV"),
}


@pytest.mark.parametrize(("raw", "why"), BAD.values(), ids=BAD.keys())
def test_a_file_that_is_no_list_changes_nothing(db: Session, raw: bytes, why: str) -> None:
    with pytest.raises(WatchListInvalid, match=why):
        watch_list.take(db, io.BytesIO(raw), imported_by="ops")

    assert db.scalar(select(func.count()).select_from(WatchListRow)) == 0


def test_a_file_that_is_too_large_is_refused(db: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch_list, "_BYTES_MAX", 40)
    monkeypatch.setattr(watch_list, "_ROWS_MAX", 2)

    for raw in (b"name,country,account\n" + b"a" * 40, b"name,country,account\na,,\nb,,\nc,,\n"):
        with pytest.raises(WatchListInvalid, match=r"larger than|more than"):
            watch_list.take(db, io.BytesIO(raw), imported_by="ops")


def test_a_long_list_is_taken_in_parts(db: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch_list, "_AT_ONCE", 2)
    rows = "".join(f"Person {number},,\n" for number in range(5))

    made = watch_list.take(db, io.BytesIO(b"\xef\xbb\xbfname,country,account\n" + rows.encode()), imported_by="ops")

    assert made.n_rows == 5
    assert list(db.scalars(select(WatchListRow.number).order_by(WatchListRow.number))) == [1, 2, 3, 4, 5]


# When


def test_without_a_list_nobody_has_to_be_screened(db: Session, books: None) -> None:
    ada = owed.payee(db, CENT)

    assert owed.sent(db).n_payouts == 1

    assert db.scalars(screening.listed(payee_id=ada.id)).all() == []
    with pytest.raises(NoListToScreenAgainst):
        screening.begin_round(db, begun_by="ops")


@pytest.mark.parametrize("why", ["another name", "another account", "another list", "age"])
def test_a_screening_is_stale_when_anything_is_another(db: Session, books: None, why: str) -> None:
    ada = owed.payee(db, CENT)
    cleared.listing(db, "Somebody Else,,")
    assert clearance.barred(db, [ada.id]) == {}

    if why == "another name":
        ada.name = "Ada Wambui"
        db.flush()
    elif why == "another account":
        owed.set_method(db, ada, mark=b"another")
    elif why == "another list":
        watch_list.take(db, io.BytesIO(b"name,country,account\nAnother,,\n"), imported_by="ops")
        screening.begin_round(db, begun_by="ops")
    else:
        db.info["screening_days"] = 0
    stale = clearance.barred(db, [ada.id])
    db.info.pop("screening_days", None)
    screening.refresh(db, [ada.id], asked_by="ops")

    assert stale == {ada.id: "screening"}
    assert clearance.barred(db, [ada.id]) == {}
    assert len(db.scalars(screening.listed(payee_id=ada.id)).all()) == (1 if why == "age" else 2)


def test_who_is_freshly_screened_is_not_screened_again(db: Session) -> None:
    ada = owed.payee(db)
    cleared.listing(db, "Somebody Else,,")

    again = cleared.go_through(db)

    assert again.n_payees == 0
    assert len(db.scalars(screening.listed(payee_id=ada.id)).all()) == 1


def test_a_round_is_gone_on_with_where_it_died_and_ends_when_another_begins(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(screening, "_AT_ONCE", 2)
    with house.sessions() as db:
        people = [owed.payee(db) for _ in range(5)]
        watch_list.take(db, io.BytesIO(b"name,country,account\nNobody Here,,\n"), imported_by="ops")
        begun = screening.begin_round(db, begun_by="ops")
        db.commit()
        next(steps := screening.steps(db, begun.id))
        db.commit()
        next(steps)
        db.rollback()

    jobs.work(house.background)

    with house.sessions() as db:
        assert db.scalars(select(func.count()).select_from(Screening)).one() == len(people)
        first, second = screening.begin_round(db, begun_by="ops"), screening.begin_round(db, begun_by="ops")
        watch_list.take(db, io.BytesIO(b"name,country,account\nAnother,,\n"), imported_by="ops")
        third = screening.begin_round(db, begun_by="ops")
        for _ in screening.go_on(db):
            pass
        assert [one.n_payees for one in (first, second, third)] == [0, 0, 5]
        db.commit()


# Deciding


def test_who_is_somebody_else_is_paid_and_the_same_match_is_not_asked_again(db: Session, books: None) -> None:
    ada = _named(db, "Ada Otieno", CENT)
    cleared.listing(db, "Ada Otieno,,")
    run = go_through(db, runs.begin(db, rail="paypal", prepared_by=PREPARER))
    assert run.n_payouts == 0

    decided = reviews.decide(db, _last(db, ada).id, decision="clear", reason="Born elsewhere.", decided_by=APPROVER)
    cleared.listing(db, "Ada Otieno,,", "Somebody New,,")

    assert (decided.decision, decided.decided_by) == ("clear", APPROVER)
    assert (_last(db, ada).outcome, _last(db, ada).findings["items"]) == (
        "clear", [{"kind": "decided", "screening": decided.id}],
    )  # fmt: skip
    assert owed.sent(db).total == CENT


def test_another_match_of_the_same_payee_is_asked(db: Session) -> None:
    ada = _named(db, "Ada Otieno")
    cleared.listing(db, "Ada Otieno,,")
    reviews.decide(db, _last(db, ada).id, decision="clear", reason="r", decided_by=APPROVER)

    cleared.listing(db, "Ada Otieno,KE,")

    assert _waiting(db) == [ada.id]


def test_who_is_meant_is_blocked_by_another_person_still(db: Session, books: None) -> None:
    ada = _named(db, "Ada Otieno", CENT)
    cleared.listing(db, "Ada Otieno,,")

    decided = reviews.decide(db, _last(db, ada).id, decision="blocked", reason="It is her.", decided_by=APPROVER)

    (block,) = db.scalars(blocks.listed(payee_id=ada.id))
    assert (block.state, block.screening_id, block.made_by) == ("proposed", decided.id, APPROVER)
    assert clearance.barred(db, [ada.id]) == {ada.id: "blocked"}
    with pytest.raises(SamePerson):
        blocks.confirm(db, block.id, confirmed_by=APPROVER)
    blocks.confirm(db, block.id, confirmed_by=OTHER)
    cleared.go_through(db)
    assert clearance.barred(db, [ada.id]) == {ada.id: "blocked"}


def test_who_two_people_let_go_is_not_asked_about_again(db: Session, books: None) -> None:
    ada = _named(db, "Ada Otieno", CENT)
    cleared.listing(db, "Ada Otieno,,")
    reviews.decide(db, _last(db, ada).id, decision="blocked", reason="r", decided_by=APPROVER)
    blocks.refuse(db, db.scalars(blocks.listed()).one().id, refused_by=OTHER)

    cleared.listing(db, "Ada Otieno,,", "Another Person,,")

    assert clearance.barred(db, [ada.id]) == {}


def test_whoever_is_blocked_by_a_court_already_is_not_blocked_again(db: Session) -> None:
    ada = _named(db, "Ada Otieno")
    cleared.listing(db, "Ada Otieno,,")
    blocks.propose(db, payee_id=ada.id, reason="A court.", made_by=RECORDER)

    reviews.decide(db, _last(db, ada).id, decision="blocked", reason="r", decided_by=APPROVER)

    assert len(db.scalars(blocks.listed(payee_id=ada.id)).all()) == 1


def test_a_match_is_decided_once_by_another_person_than_who_looked_for_it(db: Session) -> None:
    ada, ben = _named(db, "Ada Otieno"), _named(db, "Ben Kamau")
    cleared.listing(db, "Ada Otieno,,", begun_by=APPROVER)

    with pytest.raises(SamePerson):
        reviews.decide(db, _last(db, ada).id, decision="clear", reason="r", decided_by=APPROVER)
    reviews.decide(db, _last(db, ada).id, decision="clear", reason="r", decided_by=OTHER)

    for one in (_last(db, ada), _last(db, ben)):
        with pytest.raises(NothingToDecide):
            reviews.decide(db, one.id, decision="clear", reason="r", decided_by=OTHER)
    with pytest.raises(NoSuchScreening):
        reviews.decide(db, "scr_x", decision="clear", reason="r", decided_by=OTHER)


def test_the_last_screening_alone_is_decided(db: Session) -> None:
    ada = _named(db, "Ada Otieno")
    cleared.listing(db, "Ada Otieno,,")
    first = _last(db, ada)
    cleared.listing(db, "Ada Otieno,KE,")

    with pytest.raises(NothingToDecide, match=f"look at {_last(db, ada).id}"):
        reviews.decide(db, first.id, decision="clear", reason="r", decided_by=APPROVER)
    assert _waiting(db) == [ada.id]


# Shared destinations (PAYMENTS, section 15, test 35)


@pytest.mark.parametrize("rows", [[], ["Somebody Else,,"]], ids=["without a list", "with one"])
def test_an_account_of_forty_is_looked_at_and_one_of_a_family_is_not(db: Session, books: None, rows: list[str]) -> None:
    if rows:
        cleared.listing(db, *rows)
    many, family = [owed.payee(db, CENT) for _ in range(40)], [owed.payee(db, CENT) for _ in range(5)]
    for payee in many:
        owed.set_method(db, payee, mark=b"one for all")
    for payee in family:
        owed.set_method(db, payee, mark=b"a family")

    run = go_through(db, runs.begin(db, rail="paypal", prepared_by=PREPARER))

    assert {one.payee_id for one in db.scalars(payouts.listed(run_id=run.id))} == {payee.id for payee in family}
    assert sorted(_waiting(db)) == sorted(payee.id for payee in many)
    assert _last(db, many[0]).findings == {"items": [{"kind": "shared_destination", "payees": 40}]}


def test_a_sixth_payee_of_one_account_makes_all_six_wait_and_a_seventh_who_was_cleared_does_not(
    db: Session, books: None
) -> None:
    people = [owed.payee(db, CENT) for _ in range(6)]
    for payee in people[:5]:
        owed.set_method(db, payee, mark=b"shared")
    screening.refresh(db, [payee.id for payee in people], asked_by="ops")
    assert _waiting(db) == []
    owed.set_method(db, people[5], mark=b"shared")
    screening.refresh(db, [payee.id for payee in people], asked_by="ops")
    assert len(_waiting(db)) == 6
    for payee in people:
        reviews.decide(db, _last(db, payee).id, decision="clear", reason="A large family.", decided_by=APPROVER)
    seventh = owed.payee(db, CENT)
    owed.set_method(db, seventh, mark=b"shared")

    screening.refresh(db, [payee.id for payee in (*people, seventh)], asked_by="ops")
    screening.refresh(db, [payee.id for payee in (*people, seventh)], asked_by="ops")

    assert _waiting(db) == [seventh.id]


def test_how_many_may_share_an_account_can_be_set(db: Session) -> None:
    db.info["shared_destination_max"] = 1
    people = [owed.payee(db) for _ in range(2)]
    for payee in people:
        owed.set_method(db, payee, mark=b"shared")

    screening.refresh(db, [payee.id for payee in people], asked_by="ops")

    assert len(_waiting(db)) == 2
    db.info.pop("shared_destination_max")
