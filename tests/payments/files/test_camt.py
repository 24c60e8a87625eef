"""Statements and notifications, in every version that is read."""

import hashlib
import io
from collections.abc import Callable
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payments.files import camt
from payments.files.camt import Entry, Money, Statement, Transaction
from payments.files.reading import Unreadable

VERSIONS = [f"camt.05{kind}.001.{number:02}" for kind in (3, 4) for number in range(2, 13)]
OURS, THEIRS = "FR1420041010050500013M02606", "DE89370400440532013000"


def balance(kind: str, amount: str, sign: str = "CRDT") -> str:
    money = f'<Amt Ccy="EUR">{amount}</Amt><CdtDbtInd>{sign}</CdtDbtInd><Dt><Dt>2026-02-02</Dt></Dt>'
    return f"<Bal><Tp><CdOrPrtry><Cd>{kind}</Cd></CdOrPrtry></Tp>{money}</Bal>"


def details(
    end_to_end_id: str = "pyt1",
    amount: str = "12.50",
    version: str = VERSIONS[0],
    *,
    sign: str = "DBIT",
    back: str = "",
) -> str:
    old = version.endswith("02")
    money = f'<Amt Ccy="EUR">{amount}</Amt>'
    money = f"<AmtDtls><TxAmt>{money}</TxAmt></AmtDtls>" if old else f"{money}<CdtDbtInd>{sign}</CdtDbtInd>"
    accounts = [f"<{n}><Id><IBAN>{i}</IBAN></Id></{n}>" for n, i in (("DbtrAcct", OURS), ("CdtrAcct", THEIRS))]
    parties = f"<RltdPties>{''.join(accounts)}</RltdPties>"
    return f"<TxDtls><Refs><EndToEndId>{end_to_end_id}</EndToEndId></Refs>{money}{parties}{back}</TxDtls>"


def entry(
    *transactions: str,
    amount: str = "12.50",
    version: str = VERSIONS[0],
    sign: str = "DBIT",
    status: str = "BOOK",
    refs: tuple[str, str] = ("", "bank1"),
    day: str = "<Dt>2026-02-02</Dt>",
) -> str:
    number, reference = (f"<{n}>{r}</{n}>" if r else "" for n, r in zip(("NtryRef", "AcctSvcrRef"), refs, strict=True))
    code = f"<Cd>{status}</Cd>" if int(version[-2:]) >= 7 else status
    head = f'{number}<Amt Ccy="EUR">{amount}</Amt><CdtDbtInd>{sign}</CdtDbtInd><Sts>{code}</Sts>'
    code = "<BkTxCd><Prtry><Cd>X</Cd></Prtry></BkTxCd>"
    inside = f"<NtryDtls>{''.join(transactions)}</NtryDtls>" if transactions else ""
    return f"<Ntry>{head}<BookgDt>{day}</BookgDt>{reference}{code}{inside}</Ntry>"


def document(*entries: str, version: str = VERSIONS[0], balances: str | None = None, name: str = "st1") -> bytes:
    outer, inner = ("BkToCstmrStmt", "Stmt") if "053" in version else ("BkToCstmrDbtCdtNtfctn", "Ntfctn")
    if balances is None:
        balances = balance("OPBD", "100.00") + balance("CLBD", "87.50") if "053" in version else ""
    account = f"<Acct><Id><IBAN>{OURS}</IBAN></Id><Ccy>EUR</Ccy></Acct>"
    head = f"<Id>{name}</Id><CreDtTm>2026-02-03T01:00:00</CreDtTm>{account}{balances}"
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<Document xmlns="urn:iso:std:iso:20022:tech:xsd:{version}"><{outer}>
<GrpHdr><MsgId>m1</MsgId><CreDtTm>2026-02-03T01:00:00</CreDtTm></GrpHdr>
<{inner}>{head}
{"".join(entries)}</{inner}></{outer}></Document>""".encode()


def _read(content: bytes) -> tuple[Statement, list[Entry]]:
    statement, *entries = camt.read(io.BytesIO(content))
    assert isinstance(statement, Statement)
    assert all(isinstance(each, Entry) and each.statement is statement for each in entries)
    return statement, [each for each in entries if isinstance(each, Entry)]


def _euros(cents: int) -> Money:
    return Money(cents * 1_000, "EUR")


@pytest.mark.parametrize("version", VERSIONS)
def test_a_transfer_and_its_return_are_read_in_every_version(version: str) -> None:
    back = "<RtrInf><Rsn><Cd>AC04</Cd></Rsn><AddtlInf>Closed</AddtlInf></RtrInf>"
    content = document(
        entry(details(version=version), version=version),
        entry(details(version=version, sign="CRDT", back=back), version=version, sign="CRDT", refs=("", "bank2")),
        version=version,
    )

    statement, (out, back_again) = _read(content)

    known = (_euros(10_000), _euros(8_750), date(2026, 2, 2)) if "053" in version else (None, None)
    assert statement == Statement("st1", OURS, "EUR", *known)
    transaction = Transaction(
        "pyt1", _euros(-1_250), returned=False, return_reason=None, return_text=None, counterparty_iban=THEIRS
    )
    assert out == Entry(statement, "bank1", _euros(-1_250), True, False, date(2026, 2, 2), (transaction,))
    (transaction,) = back_again.transactions
    assert (back_again.amount, back_again.reference, transaction.amount) == (_euros(1_250), "bank2", _euros(1_250))
    assert (transaction.returned, transaction.return_reason, transaction.return_text) == (True, "AC04", "Closed")
    assert transaction.counterparty_iban == THEIRS


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("status", ["PDNG", "INFO", "FUTR"])
def test_what_is_not_booked_is_marked(version: str, status: str) -> None:
    _, (pending, booked) = _read(
        document(entry(version=version, status=status), entry(version=version), version=version)
    )

    assert (pending.booked, booked.booked) == (False, True)


def test_a_batch_may_be_booked_as_one_entry_with_its_details_or_without() -> None:
    many = [details(f"pyt{number}", "1.00") for number in range(1_000)]

    _, (with_them, without) = _read(document(entry(*many, amount="1000.00"), entry(amount="1000.00")))

    assert [t.end_to_end_id for t in with_them.transactions] == [f"pyt{number}" for number in range(1_000)]
    assert sum(t.amount.amount for t in with_them.transactions if t.amount) == with_them.amount.amount
    assert (without.transactions, without.amount) == ((), _euros(-100_000))


def test_details_may_come_in_several_parts() -> None:
    parts = entry(details("pyt1"), details("pyt2")).replace(
        "</TxDtls><TxDtls>", "</TxDtls></NtryDtls><NtryDtls><TxDtls>"
    )

    _, (read,) = _read(document(parts))

    assert [t.end_to_end_id for t in read.transactions] == ["pyt1", "pyt2"]


def test_the_only_transaction_of_an_entry_has_its_amount_and_of_several_none_is_guessed() -> None:
    silent = "<TxDtls><Refs><EndToEndId>pyt1</EndToEndId></Refs></TxDtls>"

    _, (alone, several) = _read(document(entry(silent), entry(silent, silent)))

    assert [t.amount for t in alone.transactions] == [_euros(-1_250)]
    assert [t.amount for t in several.transactions] == [None, None]


@pytest.mark.parametrize("nothing", ["NOTPROVIDED", "NONREF"])
def test_the_word_for_no_reference_is_no_reference(nothing: str) -> None:
    _, (read,) = _read(document(entry(details(nothing), refs=("7", nothing))))

    assert read.transactions[0].end_to_end_id is None
    assert read.reference == "st1/7"


def test_a_line_number_is_a_reference_within_its_statement_only() -> None:
    first, second = (_read(document(entry(refs=("1", "")), name=name))[1][0] for name in ("st1", "st2"))

    assert (first.reference, second.reference) == ("st1/1", "st2/1")


def test_lines_without_a_reference_have_one_that_stays_and_equal_lines_have_two() -> None:
    content = document(entry(refs=("", "")), entry(refs=("", "")), entry(details("pyt9"), refs=("", "")))

    references = [each.reference for each in _read(content)[1]]

    assert len(set(references)) == 3
    assert references == [each.reference for each in _read(content)[1]]
    assert references[0] == hashlib.sha256(f"st1\n{OURS}\n1\n-1250000\nEUR\n2026-02-02".encode()).hexdigest()


def test_a_reversal_is_marked_and_has_the_sign_of_its_own_movement() -> None:
    content = document(entry(sign="CRDT").replace("</CdtDbtInd><Sts>", "</CdtDbtInd><RvslInd>true</RvslInd><Sts>"))

    _, (read,) = _read(content)

    assert (read.reversal, read.amount) == (True, _euros(1_250))


def test_the_last_closing_balance_is_an_opening_and_debts_are_below_zero() -> None:
    statement, _ = _read(
        document(balances=balance("PRCD", "5.00", "DBIT") + balance("CLBD", "0") + balance("CLAV", "9"))
    )

    assert (statement.opening, statement.closing) == (_euros(-500), _euros(0))


def test_a_statement_without_entries_is_one() -> None:
    statement, entries = _read(document())

    assert (statement.closing, entries) == (_euros(8_750), [])


def test_several_statements_come_each_before_its_entries() -> None:
    one, two = document(entry()).decode(), document(entry(), name="st2").decode()
    second = two[two.index("<Stmt>") : two.index("</BkToCstmrStmt>")]

    read = list(camt.read(io.BytesIO(one.replace("</BkToCstmrStmt>", f"{second}</BkToCstmrStmt>").encode())))

    assert [each.id if isinstance(each, Statement) else each.statement.id for each in read] == [
        "st1",
        "st1",
        "st2",
        "st2",
    ]


def test_an_account_may_have_a_number_of_its_banks_own_and_its_currency_is_that_of_its_balances() -> None:
    content = document().decode().replace(f"<IBAN>{OURS}</IBAN>", "<Othr><Id>0042</Id></Othr>")

    statement, _ = _read(content.replace("<Ccy>EUR</Ccy>", "").encode())

    assert (statement.account, statement.currency) == ("0042", "EUR")


@pytest.mark.parametrize(
    ("day", "read"),
    [
        ("<Dt>2026-02-02</Dt>", date(2026, 2, 2)),
        ("<Dt>2026-02-02+01:00</Dt>", date(2026, 2, 2)),
        ("<Dt>2026-02-02Z</Dt>", date(2026, 2, 2)),
        ("<DtTm>2026-02-02T23:59:59.999</DtTm>", date(2026, 2, 2)),
        ("<DtTm>2026-02-02T23:59:59+08:00</DtTm>", date(2026, 2, 2)),
        ("", None),
    ],
)
def test_a_day_is_the_one_that_the_bank_writes(day: str, read: date | None) -> None:
    assert _read(document(entry(day=day)))[1][0].booked_on == read


@pytest.mark.parametrize("day", ["2026-02-30", "2026-2-2", "02.02.2026", "２026-02-02", "20260202", "today"])
def test_a_day_that_is_none_is_unreadable(day: str) -> None:
    with pytest.raises(Unreadable, match="is no day"):
        _read(document(entry(day=f"<Dt>{day}</Dt>")))


@pytest.mark.parametrize(
    ("text", "units"), [("0", 0), ("12", 1_200_000), ("12.5", 1_250_000), ("0.00001", 1), ("007.", 700_000)]
)
def test_an_amount_is_exact_to_the_fifth_decimal(text: str, units: int) -> None:
    assert _read(document(entry(amount=text)))[1][0].amount == Money(-units, "EUR")


@pytest.mark.parametrize(
    "text",
    [
        *("-1", "+1", "NaN", "INF", "1e2", "1E1000000000", "1,00", "1.000.000", "1 000", "１", "", ".", "0x1"),
        *("0.000001", "9" * 19, "9" * 17 + ".99", "9" * 1_000),
    ],
)
@pytest.mark.parametrize(
    "place",
    [
        document(entry(amount="AMOUNT")),
        document(balances=balance("OPBD", "AMOUNT")),
        document(entry(details(amount="AMOUNT"))),
    ],
)
def test_an_amount_that_is_none_is_unreadable_wherever_it_stands(text: str, place: bytes) -> None:
    with pytest.raises(Unreadable):
        _read(place.replace(b"AMOUNT", text.encode()))


@given(st.integers(min_value=-(10**17), max_value=10**17), st.integers(min_value=0, max_value=8))
def test_another_scale_is_exact_or_refused(amount: int, exponent: int) -> None:
    try:
        units = Money(amount, "EUR").at(exponent)
    except Unreadable:
        assert amount * 10**exponent % 10**camt.EXPONENT
    else:
        assert units * 10**camt.EXPONENT == amount * 10**exponent


@pytest.mark.parametrize("gap", [0, 100_000])
@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda text: text.replace("<Id>st1</Id>", ""), "Id is missing."),
        (
            lambda text: text.replace(f"<IBAN>{OURS}</IBAN></Id><Ccy>", "</Id><Ccy>"),
            "Does not say which account it is about.",
        ),
        (lambda text: text.replace("<Sts>BOOK</Sts>", ""), "Sts is missing."),
        (lambda text: text.replace("DBIT</CdtDbtInd><Sts>", "DBT</CdtDbtInd><Sts>"), "CdtDbtInd must be CRDT or DBIT."),
        (lambda text: text.replace('Ccy="EUR">12.50</Amt><Cdt', 'Ccy="eur">12.50</Amt><Cdt'), "'eur' is no currency."),
        (lambda text: text.replace('Ccy="EUR">12.50</Amt><Cdt', ">12.50</Amt><Cdt"), "'' is no currency."),
        (lambda text: text.replace("<Sts>BOOK</Sts>", "<Sts>BOOK</Sts>" * 2), "Sts comes more than once."),
        (lambda text: text.replace("bank1", "b" * 36), "AcctSvcrRef is longer than 35 characters."),
        (lambda text: text.replace("</Stmt>", balance("OPBD", "1") + "</Stmt>"), "A balance comes after the entries."),
        (lambda text: text.replace("<Bal>", balance("OPBD", "1") + "<Bal>", 1), "There are two balances OPBD."),
    ],
)
def test_a_statement_that_contradicts_its_form_is_unreadable(
    spoil: Callable[[str], str], reason: str, gap: int
) -> None:
    content = document(entry(details()).replace("</Ntry>", "</Ntry>" + " " * gap))

    with pytest.raises(Unreadable) as found:
        _read(spoil(content.decode()).encode())

    assert found.value.reason == reason
    assert found.value.line


def test_an_entry_with_more_transactions_than_any_run_is_unreadable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(camt, "TRANSACTIONS_MAX", 3)

    assert len(_read(document(entry(*[details()] * 3)))[1][0].transactions) == 3
    with pytest.raises(Unreadable, match="more than 3 transactions"):
        _read(document(entry(*[details()] * 4)))


def test_a_document_without_a_statement_is_unreadable() -> None:
    content = document()
    cut = content[: content.index(b"<Stmt>")] + content[content.index(b"</Stmt>") + len(b"</Stmt>") :]

    with pytest.raises(Unreadable, match="Has no statement"):
        list(camt.read(io.BytesIO(cut)))
