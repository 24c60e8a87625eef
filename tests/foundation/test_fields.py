"""Strict fields: what marshmallow would bend into shape is refused, and what people really write is kept."""

from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Any

import marshmallow as ma
import pytest
from flask.testing import FlaskClient
from hypothesis import given
from hypothesis import strategies as st

from foundation import fields


def _load(field: ma.fields.Field[Any], value: Any) -> Any:
    return fields.Schema.from_dict({"x": field})().load({"x": value})["x"]


def _refuses(field: ma.fields.Field[Any], value: Any) -> bool:
    try:
        _load(field, value)
    except ma.ValidationError as error:
        return set(error.messages_dict) == {"x"}
    return False


NO_INTEGERS = [1.0, 1.5, "1", " 7 ", "1_000", "１２", "٣", True, None, [], {}, 1e3, -1, 101, 2**53, 2**64]


@pytest.mark.parametrize("value", NO_INTEGERS, ids=repr)
def test_an_integer_is_a_json_integer_within_its_bounds(value: Any) -> None:
    assert _refuses(fields.Integer(most=100), value)


def test_the_bounds_of_an_integer_belong_to_it() -> None:
    assert [_load(fields.Integer(least=-5, most=100), value) for value in (-5, 0, 100)] == [-5, 0, 100]


def test_an_integer_without_bounds_of_its_own_fits_the_databases_integer() -> None:
    assert _load(fields.Integer(), 2**31 - 1) == 2**31 - 1
    assert _refuses(fields.Integer(), 2**31)


@pytest.mark.parametrize("value", ["", " 1", "+1", "-1", "1.0", "1e0", "٣", "１", "²", "1_0", "0x1", "9" * 11, "201"])
def test_a_query_integer_is_ascii_digits(value: str) -> None:
    assert _refuses(fields.QueryInteger(most=200), value)


@pytest.mark.parametrize("value", [-0.1, 1.1, "0.5", True, None, [], 10**15])
def test_a_fraction_is_a_number_between_its_bounds(value: Any) -> None:
    assert _refuses(fields.Fraction(), value)


@pytest.mark.parametrize("value", [0, 1, "true", "yes", "on", "1", None, [], {}])
def test_a_flag_is_true_or_false(value: Any) -> None:
    assert _refuses(fields.Flag(), value)


NO_AMOUNTS = [
    "NaN", "sNaN", "Infinity", "-Infinity", "1e999999999", "1e1000000", "1E5", "0x10", "", " ", " 1", "1 ", "1.", ".5",
    "01", "+1", "-1", "-0", "1,000.00", "1.000,00", "£5", "$5", "５", "٥", "1_000", "0.0000001", "1" + "0" * 12,
    "9" * 100_000, "0." + "0" * 100_000, "1\n", "1\x00", 1, 0.1, 0.1 + 0.2, True, None, [], {},
]  # fmt: skip


@pytest.mark.parametrize("value", NO_AMOUNTS, ids=lambda value: repr(value)[:30])
def test_an_amount_is_a_plain_decimal_string(value: Any) -> None:
    assert _refuses(fields.Amount(), value)


@pytest.mark.parametrize("value", ["0", "0.01", "12.50", "0.000001", "999999999999.999999"])
def test_a_plain_decimal_string_is_kept_to_the_letter(value: str) -> None:
    assert _load(fields.Amount(), value) == value


@pytest.mark.parametrize("value", ["usd", "US", "USDT", "US1", "ＵＳＤ", "USD\n", " USD", "", None, 840])
def test_a_currency_is_three_capitals(value: Any) -> None:
    assert _refuses(fields.Currency(), value)


NO_TIMES = [
    "2026-01-31T12:00:00", "2026-01-31", "2026-02-30T12:00:00Z", "2026-01-31T24:00:01Z", "2026-01-31T12:00:60Z",
    "9999-12-31T23:59:60Z", "0000-01-01T00:00:00Z", "10000-01-01T00:00:00Z", "2026-W05-6T12:00:00Z",
    "2026-031T12:00:00Z", "2026-01-31T12:00:00+99:99", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59",
    "2026-01-31 12:00:00Z", "２０２６-01-31T12:00:00Z", "1769860800", 1769860800, "now", "", None, True,
]  # fmt: skip


@pytest.mark.parametrize("value", NO_TIMES, ids=repr)
def test_a_timestamp_is_a_real_instant_with_its_zone(value: Any) -> None:
    assert _refuses(fields.Timestamp(), value)


def test_a_timestamp_is_kept_in_utc_and_sent_with_a_z() -> None:
    read = _load(fields.Timestamp(), "2026-01-31T14:00:00+02:00")

    assert read == datetime(2026, 1, 31, 12, tzinfo=UTC)
    assert fields.Schema.from_dict({"x": fields.Timestamp()})().dump({"x": read}) == {"x": "2026-01-31T12:00:00.000Z"}


class _Colour(StrEnum):
    BLACK = "black"


@pytest.mark.parametrize("value", ["BLACK", "black ", "", "white", None, 0, [], ["black"], {"black": 1}])
def test_a_choice_is_one_of_its_values(value: Any) -> None:
    assert _refuses(fields.Choice(_Colour), value)


@pytest.mark.parametrize("value", ["", "tsk_", "tsk_1", "9" * 400, f"asg_{'0' * 26}", f"tsk_{'0' * 26}\n", None, 1, []])
def test_an_identifier_that_cannot_be_one_is_refused(value: Any) -> None:
    assert _refuses(fields.Identifier("tsk"), value)


INVISIBLE = {
    "nothing": "",
    "spaces": "   ",
    "no-break space": "\u00a0",
    "ideographic space": "\u3000",
    "zero width": "\u200b\u200c\u200d",
    "soft hyphen": "\u00ad",
    "Hangul filler": "\u3164",
    "Hangul choseong filler": "\u115f",
    "Hangul jungseong filler": "\u1160",
    "halfwidth Hangul filler": "\uffa0",
    "braille blank": "\u2800",
    "combining mark alone": "\u0301",
    "line separator": "\u2028",
    "byte order mark": "\ufeff",
    "noncharacter": "\uffff",
}
MISLEADING = {
    "NUL": "A\x00da",
    "lone surrogate": "A\ud800da",
    "right-to-left override": "\u202egnp.exe",
    "left-to-right embedding": "\u202aAda",
    "isolate": "\u2066Ada\u2069",
    "line feed": "Ada\nLovelace",
    "carriage return": "Ada\rLovelace",
    "tab": "Ada\tLovelace",
    "next line": "Ada\u0085Lovelace",
    "line separator": "Ada\u2028Lovelace",
    "paragraph separator": "Ada\u2029Lovelace",
    "terminal escape": "\x1b[2JAda",
    "delete": "Ada\x7f",
}


@pytest.mark.parametrize("name", [*INVISIBLE.values(), *MISLEADING.values()], ids=[*INVISIBLE, *MISLEADING])
def test_a_name_is_visible_and_on_one_line(client: FlaskClient, name: str) -> None:
    assert _refuses(fields.Text(name=True), name)

    answer = client.post("/api/applications", json={"name": name, "country": "KE"})

    # What cannot be stored at all is refused by the reader already, what is no name by its field.
    assert answer.status_code == (400 if "\x00" in name or "\ud800" in name else 422)


NAMES = [
    "Ada Lovelace", "Nguyễn Thị Minh Khai", "محمد بن سلمان", "山田太郎", "Σωκράτης", "हिन्दी", "Łukasz", "O'Brien-Smith",
    "Zoë 👩‍👩‍👧‍👦", "🇰🇪 Wanjiku", "👍🏿", "x", "I", "ß", "İpek", "نیم‌فاصله", "'; DROP TABLE workers; --", "<script>",
    "{{7*7}}", "%s{0.__class__}", "\ue000private",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_a_name_of_any_language_goes_in_and_comes_out_the_same(client: FlaskClient, name: str) -> None:
    applied = client.post("/api/applications", json={"name": name, "country": "KE"})

    assert applied.status_code == 201
    assert applied.json is not None
    me = client.get("/api/me", auth=(applied.json["token"], "")).json
    assert me is not None
    assert me["worker"]["name"] == applied.json["worker"]["name"] == name


@pytest.mark.parametrize("name", ["\tAda", "Ada\n", " " * 300 + "Ada"])
def test_only_blanks_are_taken_off_a_name_and_not_many(name: str) -> None:
    assert _refuses(fields.Text(longest=200, name=True), name)


def test_two_ways_to_write_one_name_are_one_name() -> None:
    field = fields.Text(name=True)

    assert _load(field, "Zoe\u0308") == _load(field, " Zo\u00eb ") == "Zo\u00eb"


def test_the_length_of_a_text_is_counted_in_characters() -> None:
    field = fields.Text(shortest=1, longest=200, name=True)

    assert _load(field, "😀" * 200) == "😀" * 200
    assert _refuses(field, "😀" * 201)
    assert _refuses(field, "a" + "\u0301" * 10_000)


def test_free_text_keeps_everything_that_can_be_stored() -> None:
    text = " line\r\nline\u2028\u202e=1+1\ufeff "

    assert _load(fields.Text(), text) == text
    assert _refuses(fields.Text(), "\x00")
    assert _refuses(fields.Text(), "\udfff")


@given(st.text())
def test_whatever_a_text_lets_through_can_be_encoded(text: str) -> None:
    for field in (fields.Text(), fields.Text(name=True)):
        try:
            kept = _load(field, text)
        except ma.ValidationError:
            continue
        assert "\x00" not in kept
        assert kept.encode().decode() == kept


def test_an_unknown_key_is_refused_at_every_depth() -> None:
    inner = fields.Schema.from_dict({"x": fields.Integer()})
    outer = fields.Schema.from_dict({"inner": ma.fields.Nested(inner)})

    with pytest.raises(ma.ValidationError) as refused:
        outer().load({"inner": {"x": 1, "y": 2}})

    assert refused.value.messages_dict == {"inner": {"y": ["Unknown field."]}}


@pytest.mark.parametrize("value", [[], "x", 1, True, None])
def test_a_json_object_is_an_object(value: Any) -> None:
    assert _refuses(fields.JsonObject(), value)


@pytest.mark.parametrize(
    "value",
    ["", "2026-02-30", "0000-01-01", "0001-01-01", "1899-12-31", "3000-01-01",
     "9999-12-31", "20260131", "2026-W05-6", "2026-1-3", "2026-01-31T00:00:00Z", "2026-01-31\n",
     "２０２６-01-31", 20260131, None, True],
)  # fmt: skip
def test_what_is_no_day_is_refused(value: object) -> None:
    assert _refuses(fields.Day(), value)


def test_a_day_comes_and_goes_as_it_is_written() -> None:
    assert _load(fields.Day(), "2024-02-29") == date(2024, 2, 29)
    assert fields.Schema.from_dict({"x": fields.Day()})().dump({"x": date(2024, 2, 29)}) == {"x": "2024-02-29"}
