"""Strict marshmallow fields and the base schema: what marshmallow would bend into shape is refused instead.

By default marshmallow turns 1.5 into 1, "１２" into 12, and takes a decimal with a billion zeros (RELIABILITY,
findings 9 to 12). Every schema of the house is built from these fields.
"""

import re
import unicodedata
from collections.abc import Mapping
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Any

import marshmallow as ma

from foundation import ids

_AMOUNT = re.compile(r"(0|[1-9][0-9]{0,11})(\.[0-9]{1,6})?")
_TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d)", re.ASCII)
_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
# The days of people and their papers; what is reckoned from one of these is a day too.
_YEARS = (1900, 2999)
_CURRENCY = re.compile(r"[A-Z]{3}")
_COUNTRY = re.compile(r"[A-Z]{2}")
# Control characters and the two separators begin a new line or worse; bidirectional overrides and isolates can make a
# name read as another one. Written so that JSON Schema can say it too.
_NAME = re.compile(r"[^\u0000-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]*")
# Letters and symbols by category that show nothing: Hangul fillers and the empty braille pattern.
_BLANK = "\u115f\u1160\u2800\u3164\uffa0"


class Schema(ma.Schema):
    """The base of every schema: unknown keys are refused, keys keep their order."""

    class Meta:
        unknown = ma.RAISE


class Text(ma.fields.String):
    """Text with a length in characters, no NUL, and (for `name=True`) something visible on one line."""

    def __init__(self, *, longest: int = 10_000, shortest: int = 0, name: bool = False, **options: Any) -> None:
        if name:
            options["metadata"] = {**_documented(_NAME), **options.get("metadata", {})}
        super().__init__(validate=ma.validate.Length(shortest, longest), **options)
        self.name_like, self.longest = name, longest

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **options: Any) -> str:
        if not isinstance(value, str):
            raise self.make_error("invalid")
        if "\x00" in value or any("\ud800" <= character <= "\udfff" for character in value):
            raise ma.ValidationError("Contains a character that cannot be stored.")
        return _name(value, self.longest) if self.name_like else value


def _documented(shape: re.Pattern[str]) -> dict[str, str]:
    """A shape as JSON Schema says it."""
    return {"pattern": f"^(?:{shape.pattern})$"}


def tidy(name: str) -> str:
    """A name as it is stored and looked up: composed characters, nothing blank around it."""
    return unicodedata.normalize("NFC", name).strip()


def _name(value: str, longest: int) -> str:
    if len(value) > longest:
        raise ma.ValidationError(f"Longer than {longest} characters.")
    if not _NAME.fullmatch(value):
        raise ma.ValidationError("A name may not contain control or direction characters.")
    cleaned = tidy(value)
    if not any(unicodedata.category(character)[0] in "LNPS" and character not in _BLANK for character in cleaned):
        raise ma.ValidationError("A name needs something visible.")
    return cleaned


class Integer(ma.fields.Integer):
    """A JSON integer within bounds: not 1.0, not "1", not true."""

    def __init__(self, *, least: int = 0, most: int = 2**31 - 1, **options: Any) -> None:
        super().__init__(strict=True, validate=ma.validate.Range(least, most), **options)

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **options: Any) -> int:
        if type(value) is not int:
            raise ma.ValidationError("Must be an integer.")
        return value


class QueryInteger(ma.fields.Integer):
    """An integer in a query string: ASCII digits, nothing else."""

    def __init__(self, *, least: int = 0, most: int = 2**31 - 1, **options: Any) -> None:
        super().__init__(validate=ma.validate.Range(least, most), **options)

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **options: Any) -> int:
        if not (isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 10):
            raise ma.ValidationError("Must be a whole number.")
        return int(value)


class Fraction(ma.fields.Float):
    """A JSON number between two bounds."""

    def __init__(self, *, least: float = 0.0, most: float = 1.0, **options: Any) -> None:
        super().__init__(validate=ma.validate.Range(least, most), **options)

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **options: Any) -> float:
        if type(value) not in {int, float}:
            raise ma.ValidationError("Must be a number.")
        return float(value)


class Flag(ma.fields.Boolean):
    """A JSON true or false, nothing that merely looks like one."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **options: Any) -> bool:
        if not isinstance(value, bool):
            raise ma.ValidationError("Must be true or false.")
        return value


class QueryFlag(ma.fields.Boolean):
    """True or false in a query string, in these words alone."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **options: Any) -> bool:
        if value not in {"true", "false"}:
            raise ma.ValidationError("Must be true or false.")
        return bool(value == "true")


class Shaped(ma.fields.String):
    """Text of one exact shape, which the documentation shows as a pattern."""

    def __init__(self, shape: re.Pattern[str], wanted: str, *examples: str, **options: Any) -> None:
        metadata = {**_documented(shape), **({"examples": list(examples)} if examples else {})}
        super().__init__(metadata={**metadata, **options.pop("metadata", {})}, **options)
        self.shape, self.wanted = shape, wanted

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **options: Any) -> str:
        if not isinstance(value, str) or not self.shape.fullmatch(value):
            raise ma.ValidationError(self.wanted)
        return value


class Amount(Shaped):
    """Money on the wire: a plain decimal string such as "12.50", never a JSON number, never an exponent."""

    def __init__(self, **options: Any) -> None:
        super().__init__(_AMOUNT, 'Must be an amount as a string such as "12.50".', "12.50", **options)


class AmountOrNothing(Amount):
    """The same, where nothing is an amount too."""


class Currency(Shaped):
    """An ISO 4217 code in capitals; whether we keep books in it is payments' business."""

    def __init__(self, **options: Any) -> None:
        super().__init__(_CURRENCY, "Must be a currency code such as EUR.", "EUR", **options)


class Country(Shaped):
    """A country by its two letters."""

    def __init__(self, **options: Any) -> None:
        super().__init__(_COUNTRY, "Must be a country code such as KE.", "KE", **options)


class Day(ma.fields.Date):
    """A day of the calendar such as 2026-01-31; whose midnight begins it is said where it is used."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **options: Any) -> date:
        if not isinstance(value, str) or not _DAY.fullmatch(value):
            raise ma.ValidationError("Must be a day such as 2026-01-31.")
        try:
            day = date.fromisoformat(value)
        except ValueError as error:
            raise ma.ValidationError("Is not a real day.") from error
        if not _YEARS[0] <= day.year <= _YEARS[1]:
            raise ma.ValidationError(f"Must be in the years {_YEARS[0]} to {_YEARS[1]}.")
        return day


class Timestamp(ma.fields.AwareDateTime):
    """An instant with its zone, sent back in UTC with a Z."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **options: Any) -> datetime:
        if not isinstance(value, str) or not _TIMESTAMP.fullmatch(value):
            raise ma.ValidationError("Must be a time with its zone such as 2026-01-31T12:00:00Z.")
        try:
            return datetime.fromisoformat(value).astimezone(UTC)
        except (ValueError, OverflowError) as error:
            raise ma.ValidationError("Is not a real time.") from error

    def _serialize(self, value: Any, attr: str | None, obj: Any, **options: Any) -> str | None:
        if value is None:
            return None
        return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")  # type: ignore[no-any-return]


class Choice(ma.fields.String):
    """One value of a `StrEnum`."""

    def __init__(self, values: type[StrEnum], **options: Any) -> None:
        super().__init__(validate=ma.validate.OneOf([value.value for value in values]), **options)

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **options: Any) -> str:
        if not isinstance(value, str):
            raise self.make_error("invalid")
        return value


class Identifier(Shaped):
    """An id with a known prefix. A string that cannot be one is refused before any table is asked."""

    def __init__(self, prefix: str, **options: Any) -> None:
        super().__init__(ids.shape(prefix), f"Must be an id that begins with {prefix}_.", **options)


class JsonObject(ma.fields.Dict):
    """A JSON object kept as it came; the strict reader has bounded its depth and its numbers already."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **options: Any) -> Any:
        if not isinstance(value, dict):
            raise ma.ValidationError("Must be an object.")
        return value
