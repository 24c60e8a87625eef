"""Providers' CSV files: their columns, units and limits, what they refuse, and what their results mean."""

import csv
import hashlib
import io
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from payments.files import cells, dialects
from payments.files.dialects import DIALECTS, GENERIC, Part
from payments.files.orders import Batch, Order, Unfit
from payments.files.reading import Unreadable
from payments.files.results import Outcome, Result
from tests.payments.files.samples import Nowhere, batch, kept, order
from tests.payments.files.test_cells import RUNNING

EMAIL = {"email": "ada@example.org"}
INDIA = {"account": "1121431121541121", "ifsc": "HDFC0001234"}
FITTING: dict[str, dict[str, Any]] = {
    "wise": {"destination": EMAIL},
    "razorpayx-rupees": {"destination": INDIA, "currency": "INR", "amount": 36905},
    "razorpayx-paise": {"destination": INDIA, "currency": "INR", "amount": 36905},
    "swiftpay": {
        "destination": {"account": "1234567890", "bank_code": "BOPIPHMM"},
        "currency": "PHP",
        "remittance": "Week 27",
    },
    "mpesa": {"destination": {"msisdn": "254712345678"}, "currency": "KES", "amount": 50_000},
    "paypal": {"destination": EMAIL},
    "payoneer": {"destination": EMAIL},
    "generic": {},
}


def _write(name: str, orders: list[Order]) -> tuple[list[bytes], list[Part]]:
    files: dict[int, io.BytesIO] = {}
    parts = dialects.write(
        DIALECTS[name], batch(orders), orders, lambda number: nullcontext(files.setdefault(number, io.BytesIO()))
    )
    return [files[part.number].getvalue() for part in parts], parts


def _fitting(dialect: str, place: int = 0, /, **fields: Any) -> Order:
    return order(place, **{**FITTING[dialect], **fields})


def _cells(raw: bytes, delimiter: str = ",") -> list[list[str]]:
    return list(csv.reader(io.StringIO(raw.decode(), newline=""), delimiter=delimiter, strict=True))


GOLDEN = {
    "wise": (
        (
            "recipientId,name,recipientEmail,recipientDetail,sourceCurrency,targetCurrency,amountCurrency,amount,"
            "paymentReference,receiverType"
        ),
        ",Ada Lovelace,ada@example.org,,USD,USD,target,10.00,pay000000000,PERSON",
    ),
    "razorpayx-rupees": (
        (
            "RazorpayX Account Number,Payout Amount (in Rupees),Payout Currency,Payout Mode,Payout Purpose,"
            "Fund Account Id,Fund Account Type,Fund Account Name,Fund Account Ifsc,Fund Account Number,"
            "Fund Account Vpa,Fund Account Phone Number,Contact Name,Payout Narration,Payout Reference Id,"
            "Fund Account Email,Contact Type,Contact Email,Contact Mobile,Contact Reference Id"
        ),
        (
            "5550001,369.05,INR,NEFT,payout,,bank_account,Ada Lovelace,HDFC0001234,1121431121541121,,,Ada Lovelace,,"
            "pay000000000,,vendor,,,"
        ),
    ),
    "swiftpay": (
        "Merchant Reference Number,Institution Code,Transfer Channel,Amount,Remarks,Account Number,Account Name",
        "pay000000000,BOPIPHMM,InstaPay,10.00,Week 27,1234567890,Ada Lovelace",
    ),
    "mpesa": ("MSISDN,Amount,Name,Remarks,Reference", "254712345678,500,Ada Lovelace,,pay000000000"),
    "paypal": ("ada@example.org\t10.00\tUSD\tpay000000000\t",),
    "payoneer": ("Recipient Email,Amount,Currency,Description", "ada@example.org,10.00,USD,pay000000000"),
    "generic": (
        "version,message_id,execution_on,end_to_end_id,name,currency,amount,destination,remittance",
        (
            '1,run0001,2026-07-02,pay000000000,Ada Lovelace,USD,10.00,"{""account"": ""000123456"", '
            '""account_type"": ""checking"", ""routing"": ""021000021""}",'
        ),
    ),
}


@pytest.mark.parametrize("name", GOLDEN)
def test_a_known_order_is_this_very_file(name: str) -> None:
    (raw,), _ = _write(name, [_fitting(name)])

    assert raw.decode() == "".join(line + "\r\n" for line in GOLDEN[name])


def test_rupees_and_paise_differ_in_the_unit_and_its_heading() -> None:
    (rupees,), _ = _write("razorpayx-rupees", [_fitting("razorpayx-rupees")])
    (paise,), _ = _write("razorpayx-paise", [_fitting("razorpayx-paise")])

    differ = list(zip(_cells(rupees), _cells(paise), strict=True))
    assert [(a[1], b[1]) for a, b in differ] == [("Payout Amount (in Rupees)", "Payout Amount"), ("369.05", "36905")]
    assert all(a[:1] + a[2:] == b[:1] + b[2:] for a, b in differ)


def test_every_dialect_has_a_sample_here() -> None:
    assert set(FITTING) == set(DIALECTS)


@pytest.mark.parametrize(
    ("amount", "channel"), [(1, "InstaPay"), (5_000_000, "InstaPay"), (5_000_001, "PESONet"), (10**12, "PESONet")]
)
def test_what_instapay_cannot_carry_goes_by_pesonet(amount: int, channel: str) -> None:
    (raw,), _ = _write("swiftpay", [_fitting("swiftpay", amount=amount)])

    assert _cells(raw)[1][2] == channel


def test_an_upi_address_is_paid_by_upi() -> None:
    (raw,), _ = _write("razorpayx-paise", [_fitting("razorpayx-paise", destination={"vpa": "ada@upi"})])

    row = dict(zip(*_cells(raw), strict=True))
    assert (row["Payout Mode"], row["Fund Account Type"], row["Fund Account Vpa"]) == ("UPI", "vpa", "ada@upi")


@pytest.mark.parametrize(
    ("name", "fields", "field"),
    [
        ("mpesa", {"amount": 50_050}, "amount"),
        ("mpesa", {"destination": {"msisdn": "+254712345678"}}, "MSISDN"),
        ("mpesa", {"destination": {"msisdn": "0712345678"}}, "MSISDN"),
        ("mpesa", {"destination": {"msisdn": "2547123456789"}}, "MSISDN"),
        ("mpesa", {"destination": {"msisdn": "٢٥٤٧١٢٣٤٥٦٧٨"}}, "MSISDN"),
        ("mpesa", {"destination": {"msisdn": "254712345678\n"}}, "MSISDN"),
        ("mpesa", {"destination": {}}, "destination"),
        ("mpesa", {"remittance": "x" * 101}, "Remarks"),
        ("razorpayx-rupees", {"amount": 99}, "amount"),
        ("razorpayx-paise", {"amount": 99}, "amount"),
        ("razorpayx-paise", {"destination": {"vpa": "ada"}}, "Fund Account Vpa"),
        ("razorpayx-paise", {"destination": {"vpa": "ada@upi"}, "amount": 10_000_001}, "amount"),
        ("razorpayx-paise", {"destination": {**INDIA, "ifsc": "HDFC1"}}, "Fund Account Ifsc"),
        ("razorpayx-paise", {"remittance": "Grüße"}, "Payout Narration"),
        ("paypal", {"end_to_end_id": "a" * 31}, "Unique Id"),
        ("paypal", {"remittance": 'say "hi"'}, "Note"),
        ("paypal", {"remittance": "a\tb"}, "Note"),
        ("wise", {"name": ""}, "name"),
        ("wise", {"name": "Ada\nLovelace"}, "name"),
        ("wise", {"name": "Ada\x00"}, "name"),
        ("wise", {"name": "Ada\ud800"}, "name"),
        ("generic", {"name": "Ada\ud800"}, "name"),
        ("payoneer", {"destination": {"email": "ada"}}, "Recipient Email"),
        ("swiftpay", {"remittance": ""}, "Remarks"),
    ],
)
def test_an_order_that_does_not_fit_is_refused_with_row_and_column(
    name: str, fields: dict[str, Any], field: str
) -> None:
    orders = [_fitting(name), _fitting(name, 1, **fields)]

    with pytest.raises(Unfit) as refused:
        _write(name, orders)

    assert (refused.value.order, refused.value.field) == (1, field)


@pytest.mark.parametrize("text", RUNNING)
@pytest.mark.parametrize("name", ["wise", "swiftpay", "mpesa", "razorpayx-rupees"])
def test_a_bank_refuses_what_a_spreadsheet_would_run(name: str, text: str) -> None:
    orders = [_fitting(name), _fitting(name, 1, name=text)]

    with pytest.raises(Unfit, match="formula") as refused:
        _write(name, orders)

    assert refused.value.order == 1
    assert refused.value.field in {"name", "Account Name", "Name", "Fund Account Name"}


@pytest.mark.parametrize("text", RUNNING)
def test_people_get_it_quoted(text: str) -> None:
    (raw,), _ = _write("generic", [order(name=text)])

    assert _cells(raw)[1][4] == "'" + text


@pytest.mark.parametrize(("name", "currency"), [("mpesa", "USD"), ("payoneer", "EUR"), ("swiftpay", "USD")])
def test_a_currency_that_the_provider_does_not_pay_is_refused(name: str, currency: str) -> None:
    with pytest.raises(Unfit) as refused:
        _write(name, [_fitting(name, currency=currency)])

    assert (refused.value.order, refused.value.field) == (None, "currency")


@pytest.mark.parametrize(
    ("name", "size", "rows"),
    [("wise", 1000, [1000]), ("wise", 1001, [1000, 1]), ("wise", 2500, [1000, 1000, 500]), ("paypal", 5001, [5000, 1])],
)
def test_a_file_is_split_at_its_limit_with_exact_sums(name: str, size: int, rows: list[int]) -> None:
    orders = [_fitting(name, place) for place in range(size)]

    files, parts = _write(name, orders)

    assert [part.rows for part in parts] == rows
    assert [part.number for part in parts] == list(range(1, len(rows) + 1))
    assert sum(part.total for part in parts) == sum(one.amount for one in orders)
    assert [part.sha256 for part in parts] == [hashlib.sha256(raw).hexdigest() for raw in files]
    assert [raw.count(b"\r\n") - DIALECTS[name].header for raw in files] == rows


def test_an_independent_reader_finds_the_same_totals(tmp_path: Path) -> None:
    orders = [order(place, name='Ada, "the first"\r\n🙂 مرحبا') for place in range(500)]
    (raw,), (part,) = _write("generic", orders)
    path = tmp_path / "generic.csv"
    path.write_bytes(raw)

    with duckdb.connect() as judge:
        found = judge.execute(
            "SELECT count(*), sum(CAST(amount AS DECIMAL(38, 2))), min(name), count(DISTINCT end_to_end_id)"
            " FROM read_csv(?, all_varchar = true, header = true)",
            [str(path)],
        ).fetchone()

    assert found == (500, Decimal(part.total).scaleb(-2), orders[0].name, 500)


@pytest.mark.parametrize("name", sorted(set(DIALECTS) - {"generic"}))
def test_a_bank_gets_no_file_about_nothing(name: str) -> None:
    with pytest.raises(Unfit) as refused:
        dialects.write(
            DIALECTS[name], batch([_fitting(name)], n_orders=0, total=0), [], lambda _: nullcontext(io.BytesIO())
        )

    assert refused.value.field == "n_orders"


def test_people_get_a_header_about_nothing() -> None:
    (raw,), parts = _write("generic", [])

    assert raw.decode() == GOLDEN["generic"][0] + "\r\n"
    assert [(part.rows, part.total) for part in parts] == [(0, 0)]


def test_orders_that_are_not_what_the_batch_says_are_no_file() -> None:
    with pytest.raises(Unfit) as refused:
        dialects.write(GENERIC, batch([order()], n_orders=2), [order()], lambda _: nullcontext(io.BytesIO()))

    assert refused.value.field == "n_orders"


@given(st.text(max_size=40), st.text(max_size=40))
def test_whatever_somebody_is_called_comes_back_as_it_was(name: str, note: str) -> None:
    (raw,), _ = _write("generic", [order(name=name, remittance=note)])

    row = dict(zip(*_cells(raw), strict=True))
    assert row["name"] == cells.quoted(name)
    assert row["remittance"] == cells.quoted(note)


@given(st.text(max_size=20))
def test_a_bank_gets_a_name_as_it_is_or_not_at_all(name: str) -> None:
    try:
        (raw,), _ = _write("payoneer", [_fitting("payoneer", destination={"email": name})])
    except Unfit:
        return

    assert _cells(raw)[1][0] == name
    assert not cells.runs(name)


@pytest.mark.parametrize("name", DIALECTS)
def test_the_same_batch_is_the_same_bytes(name: str) -> None:
    orders = [_fitting(name, place) for place in range(20)]
    turned = [replace(one, destination=dict(reversed(list(one.destination.items())))) for one in orders]

    assert _write(name, orders) == _write(name, turned)


def test_memory_does_not_grow_with_the_number_of_orders() -> None:
    def write(batch: Batch, orders: Iterator[Order]) -> None:
        dialects.write(GENERIC, batch, orders, lambda _: nullcontext(Nowhere()))  # type: ignore[arg-type]

    assert kept(write) < 20_000


def _read(name: str, raw: bytes) -> list[Result]:
    return list(dialects.read_results(DIALECTS[name], io.BytesIO(raw)))


PAYPAL = "sender_item_id\ttransaction_status\tpayout_item_fee\terrors\tpayout_item_id\r\n"
MPESA = "OriginatorConversationID,ResultCode,ResultDesc\r\n"


@pytest.mark.parametrize(
    ("word", "outcome"),
    [
        ("SUCCESS", Outcome.SETTLED),
        ("success", Outcome.SETTLED),
        ("PENDING", Outcome.EXPORTED),
        ("UNCLAIMED", Outcome.EXPORTED),
        ("ONHOLD", Outcome.EXPORTED),
        ("BLOCKED", Outcome.EXPORTED),
        ("FAILED", Outcome.FAILED),
        ("DENIED", Outcome.FAILED),
        ("RETURNED", Outcome.RETURNED),
        ("REFUNDED", Outcome.RETURNED),
        ("REVERSED", Outcome.RETURNED),
        ("SUCCESSFUL", Outcome.UNKNOWN),
        ("", Outcome.UNKNOWN),
    ],
)
def test_paypals_words_mean_what_the_table_says(word: str, outcome: Outcome) -> None:
    (found,) = _read("paypal", (PAYPAL + f"pay1\t{word}\t-0.25\tnone\tX1\r\n").encode())

    assert found == Result("pay1", outcome, "-0.25", "none", word)


@pytest.mark.parametrize(
    ("word", "outcome"),
    [
        ("0", Outcome.SETTLED),
        ("2001", Outcome.FAILED),
        ("1", Outcome.FAILED),
        ("Time-out", Outcome.EXPORTED),
        ("reversed", Outcome.RETURNED),
        ("00", Outcome.UNKNOWN),
        ("-1", Outcome.UNKNOWN),
        ("SFC_IC0003", Outcome.UNKNOWN),
        ("٠", Outcome.UNKNOWN),
    ],
)
def test_mpesas_codes_mean_what_the_table_says(word: str, outcome: Outcome) -> None:
    (found,) = _read("mpesa", (MPESA + f'pay1,{word},"no, sorry"\r\n').encode())

    assert found == Result("pay1", outcome, None, "no, sorry", word)


def test_columns_are_found_by_name_in_any_order_and_blank_lines_pass() -> None:
    raw = b"\xef\xbb\xbfresultdesc, ResultCode ,OriginatorConversationID,More\n\nfine,0,pay1,x\n"

    assert _read("mpesa", raw) == [Result("pay1", Outcome.SETTLED, None, "fine", "0")]


@pytest.mark.parametrize(
    ("name", "raw", "line"),
    [
        ("mpesa", b"", None),
        ("mpesa", b"MSISDN,ResultCode,ResultDesc\n", 1),
        ("mpesa", b"ResultCode,ResultCode,ResultDesc,OriginatorConversationID\n", 1),
        ("mpesa", MPESA.encode() + b"pay1,0\n", 2),
        ("mpesa", MPESA.encode() + b"pay1,0,a,b\n", 2),
        ("mpesa", MPESA.encode() + b'pay1,0,"a\n', 2),
        ("mpesa", MPESA.encode() + b'pay1,0,"a"b\n', 2),
        ("mpesa", MPESA.encode() + b"pay1,0,\xff\n", 2),
        ("mpesa", b"x" * 1_000_000, 1),
        ("mpesa", MPESA.encode() + b'"\n' + b'","\n' * 1_000_000, 102),
        ("mpesa", MPESA.encode() + b'pay1,0,"' + b"x\n" * 1_000_000, 102),
        ("paypal", PAYPAL.encode() + b"pay1\tSUCCESS\t0,25\t\tX\n", 2),
        ("paypal", PAYPAL.encode() + b"pay1\tSUCCESS\t1e2\t\tX\n", 2),
        ("wise", b"", None),
    ],
    ids=lambda value: repr(value[:20]) if isinstance(value, bytes) else None,
)
def test_a_file_that_is_no_result_file_is_refused_with_its_line(name: str, raw: bytes, line: int | None) -> None:
    with pytest.raises(Unreadable) as refused:
        _read(name, raw)

    assert refused.value.line == line


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(raw: bytes) -> None:
    try:
        found = _read("mpesa", MPESA.encode() + raw)
    except Unreadable:
        return

    assert all(isinstance(one.outcome, Outcome) for one in found)
