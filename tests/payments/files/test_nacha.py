"""US bank files, judged by achkit, which has to refuse what we break; and what comes back from banks."""

import io
import itertools
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any

import achkit
import pytest
from hypothesis import given
from hypothesis import strategies as st

from payments.files import nacha
from payments.files.orders import Batch, Order, Unfit
from payments.files.reading import Unreadable
from tests.payments.files.samples import BANK, PAYER, Nowhere, batch, kept, order, returned


def _write(orders: list[Order], **options: Any) -> tuple[str, nacha.Written]:
    file = io.BytesIO()
    written = nacha.write(batch(orders), orders, file, **options)
    return file.getvalue().decode("ascii"), written


def _errors(text: str) -> set[str]:
    return {error["code"] for error in achkit.validate(text)["errors"]}


def test_the_judge_finds_every_order_and_nothing_to_complain_of() -> None:
    orders = [order(place) for place in range(25)]

    text, written = _write(orders)

    assert _errors(text) == set()
    (found,) = achkit.parse(text)["batches"]
    assert [entry["amount_cents"] for entry in found["entries"]] == [one.amount for one in orders]
    assert [entry["id_number"] for entry in found["entries"]] == [one.end_to_end_id for one in orders]
    assert (written.entries, written.batches, written.total) == (25, 1, sum(one.amount for one in orders))


def test_a_known_order_is_these_very_records() -> None:
    text, _ = _write([order(amount=12345, remittance="Week 27")])

    assert text.splitlines()[:6] == [
        "101 121000358 1210003582607011230A094101                       Rookery Labs                   ",
        "5220Rookery Labs                        1234567890PPDPAYROLL         260702   1121000350000001",
        "622021000021000123456        0000012345pay000000000   Ada Lovelace            1121000350000001",
        "705Week 27                                                                         00010000001",
        "82200000020002100002000000000000000000012345" + "1234567890" + " " * 25 + "121000350000001",
        "9000001000001000000020002100002000000000000000000012345" + " " * 39,
    ]


@pytest.mark.parametrize("size", [1, 5, 6, 7, 8, 16, 17])
def test_a_file_is_filled_up_to_whole_blocks_of_ten(size: int) -> None:
    text, _ = _write([order(place) for place in range(size)])

    lines = text.splitlines()
    assert _errors(text) == set()
    assert {len(line) for line in lines} == {94}
    assert len(lines) % 10 == 0
    assert len(lines) - len([line for line in lines if line == "9" * 94]) == size + 4


def _break(text: str, line: int, start: int, to: str) -> str:
    lines = text.splitlines()
    lines[line] = lines[line][:start] + to + lines[line][start + len(to) :]
    return "\n".join(lines) + "\n"


PLANTED: dict[str, tuple[Callable[[str], str], str]] = {
    "amount": (lambda text: _break(text, 2, 29, "0000999999"), "BAD_BATCH_CREDIT"),
    "length": (lambda text: text.replace("Ada Lovelace ", "Ada Lovelace", 1), "BAD_RECORD_LEN"),
    "padding": (lambda text: text.removesuffix("9" * 94 + "\n"), "BAD_BLOCKING"),
    "routing": (lambda text: _break(text, 2, 11, "9"), "BAD_ROUTING_CHECKSUM"),
    "hash of a batch": (lambda text: _break(text, 5, 10, "0000000001"), "BAD_ENTRY_HASH"),
    "hash of the file": (lambda text: _break(text, 6, 21, "0000000001"), "BAD_FILE_HASH"),
    "count": (lambda text: _break(text, 5, 4, "000007"), "BAD_BATCH_COUNT"),
    "blocks": (lambda text: _break(text, 6, 7, "000002"), "BAD_BLOCK_COUNT"),
}


@pytest.mark.parametrize("what", PLANTED)
def test_the_judge_sees_a_planted_error(what: str) -> None:
    text, _ = _write([order(place) for place in range(3)])
    spoil, complaint = PLANTED[what]

    assert _errors(text) == set()
    assert complaint in _errors(spoil(text))


@given(st.text(max_size=60), st.text(max_size=200))
def test_whatever_somebody_is_called_the_file_is_printable_ascii_or_refused(name: str, note: str) -> None:
    with suppress(Unfit):
        text, _ = _write([order(name=name, remittance=note)])
        # The judge would let other characters pass.
        assert all(char == "\n" or " " <= char <= "~" for char in text)
        assert _errors(text) == set()


@pytest.mark.parametrize(
    ("name", "written"),
    [("Zoë Ångström", "Zoe Angstrom"), ("Ngũgĩ wa Thiong’o", "Ngugi wa Thiong'o"), ("Łukasz Weiß 🙂", "Lukasz Weiss")],
)
def test_a_name_is_written_in_ascii_and_the_change_is_reported(name: str, written: str) -> None:
    text, report = _write([order(), order(1, name=name)])

    assert text.splitlines()[3][54:76].rstrip() == written
    assert report.changes.count == 1
    (change,) = report.changes.first
    assert (change.order, change.field, change.before, change.after) == (1, "name", name, written)


def test_more_changes_than_anybody_reads_are_only_counted() -> None:
    _, report = _write([order(place, name="Zoë") for place in range(150)])

    assert report.changes.count == 150
    assert len(report.changes.first) == 100


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"amount": 10**10}, "amount"),
        ({"amount": 0}, "amount"),
        ({"amount": -1}, "amount"),
        ({"currency": "EUR"}, "currency"),
        ({"name": "李"}, "name"),
        ({"end_to_end_id": "a b"}, "end_to_end_id"),
        ({"destination": {**BANK, "routing": "021000022"}}, "routing"),
        ({"destination": {**BANK, "routing": "٠٢١٠٠٠٠٢١"}}, "routing"),
        ({"destination": {**BANK, "routing": "000000000"}}, "routing"),
        ({"destination": {**BANK, "account": "1" * 18}}, "account"),
        ({"destination": {"routing": "021000021"}}, "account"),
        ({"destination": {**BANK, "account_type": "Checking"}}, "account_type"),
    ],
)
def test_an_order_that_does_not_fit_is_named(fields: dict[str, Any], field: str) -> None:
    orders = [order(), order(1, **fields)]

    with pytest.raises(Unfit) as refused:
        nacha.write(batch(orders, total=10**11), orders, io.BytesIO())

    assert (refused.value.order, refused.value.field) == (1, field)


def test_the_largest_amount_fits() -> None:
    text, _ = _write([order(amount=10**10 - 1)])

    assert achkit.parse(text)["batches"][0]["entries"][0]["amount_cents"] == 10**10 - 1


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"total": 10**12}, "total"),
        ({"currency": "EUR"}, "currency"),
        ({"n_orders": 0, "total": 0}, "n_orders"),
        ({"n_orders": 10_000_000}, "n_orders"),
        ({"payer": {}}, "routing"),
        ({"payer": {**PAYER, "company_id": ""}}, "company_id"),
        ({"payer": {**PAYER, "name": "李"}}, "name"),
        ({"payer": {**PAYER, "destination": "1"}}, "destination"),
    ],
)
def test_a_batch_that_does_not_fit_is_refused_before_a_byte_is_written(fields: dict[str, Any], field: str) -> None:
    file = io.BytesIO()

    with pytest.raises(Unfit) as refused:
        nacha.write(batch([order()], **fields), [order()], file)

    assert (refused.value.order, refused.value.field) == (None, field)
    assert file.getvalue() == b""


@pytest.mark.parametrize(("fields", "field"), [({"n_orders": 3}, "n_orders"), ({"total": 2002}, "total")])
def test_orders_that_are_not_what_the_batch_says_are_no_file(fields: dict[str, Any], field: str) -> None:
    orders = [order(), order(1)]

    with pytest.raises(Unfit) as refused:
        nacha.write(replace(batch(orders), **fields), orders, io.BytesIO())

    assert refused.value.field == field


def test_a_full_batch_is_followed_by_another() -> None:
    text, written = _write([order(place, remittance="Thanks") for place in range(7)], entries_max=5)

    found = achkit.parse(text)["batches"]
    assert _errors(text) == set()
    assert [len(one["entries"]) for one in found] == [2, 2, 2, 1]
    assert written.batches == 4
    traces = [entry["trace_number"] for one in found for entry in one["entries"]]
    assert traces == [nacha.trace_number(PAYER["routing"], place) for place in range(7)]


def test_the_same_batch_is_the_same_bytes() -> None:
    orders = [order(place) for place in range(30)]

    first, again = _write(orders), _write(orders)

    assert first == again
    assert first[1].sha256 != _write(orders[:-1])[1].sha256


def test_memory_does_not_grow_with_the_number_of_orders() -> None:
    def write(batch: Batch, orders: Iterator[Order]) -> None:
        nacha.write(batch, orders, Nowhere())  # type: ignore[arg-type]

    assert kept(write) < 20_000


def _read(raw: bytes) -> list[nacha.Return]:
    return list(nacha.read_returns(io.BytesIO(raw)))


LONG = "pay01JZ4N8QXW3YV7T2K5M9RB6C0E"


def test_returns_and_changes_come_with_id_code_amount_and_our_trace() -> None:
    # The judge's writer knows capital letters alone.
    raw = returned((order(end_to_end_id=LONG), 4, "R03", "NO ACCOUNT"), (order(7), 7, "C01", "000999888"))

    gone, changed = _read(raw)

    assert gone == nacha.Return("YV7T2K5M9RB6C0E", "R03", 1000, "121000350000005", "NO ACCOUNT")
    assert changed == nacha.Return("PAY000000007", "C01", 0, "121000350000008", "000999888")


RETURNS = returned((order(), 0, "R01", ""), (order(1), 1, "R02", ""))


def _swap(old: bytes, new: bytes) -> bytes:
    assert old in RETURNS
    return RETURNS.replace(old, new, 1)


@pytest.mark.parametrize(
    ("raw", "line"),
    [
        (b"", None),
        (b"\n", 1),
        (b"9" * 94, 1),
        (b"<html>", 1),
        (b"1" * 10_000_000, 1),
        (RETURNS[: len(RETURNS) // 2], None),
        (b"\r\n".join(RETURNS.split(b"\r\n")[:7]), None),
        (_swap(b"799R01", b"799X01"), 4),
        (_swap(b"799R01", b"705R01"), 4),
        (_swap(b"ADA LOVELACE ", b"AD\xc3\xa9 LOVELACE"), 3),
        (_swap(b"0000001000", b"0000001001"), 7),
        (_swap(b"0000001000", b"000000x000"), 3),
        (RETURNS + b"5" * 94, 11),
        (_write([order()])[0].encode(), 3),
    ],
    ids=lambda value: repr(value[:12]) if isinstance(value, bytes) else None,
)
def test_a_file_that_is_no_return_file_is_refused_with_its_line(raw: bytes, line: int | None) -> None:
    with pytest.raises(Unreadable) as refused:
        _read(raw)

    assert refused.value.line == line


@given(st.integers(0, len(RETURNS) - 1), st.integers(0, 255))
def test_any_spoilt_byte_is_refused_or_read_and_never_crashes(at: int, byte: int) -> None:
    try:
        found = _read(RETURNS[:at] + bytes([byte]) + RETURNS[at + 1 :])
    except Unreadable:
        return

    assert len(found) == 2


class _Endless:
    """A bank's file that goes on for so many lines and has no end."""

    def __init__(self, size: int) -> None:
        head, batch_head, *pair = RETURNS.split(b"\r\n")[:4]
        self.lines = itertools.chain([head, batch_head], itertools.chain.from_iterable(itertools.repeat(pair, size)))

    def readline(self, limit: int) -> bytes:
        return next(self.lines, b"")


def test_returns_are_read_one_by_one() -> None:
    found = nacha.read_returns(_Endless(10))  # type: ignore[arg-type]

    assert [next(found).code for _ in range(10)] == ["R01"] * 10
    with pytest.raises(Unreadable, match="cut off"):
        next(found)


@pytest.mark.parametrize(
    ("text", "good"), [("021000021", True), ("121000358", True), ("021000020", False), ("21000021", False), ("", False)]
)
def test_a_routing_number_has_its_checksum(text: str, good: bool) -> None:  # noqa: FBT001 - a table of answers
    assert nacha.is_routing(text) is good
    assert achkit.is_valid_routing(text) is good
