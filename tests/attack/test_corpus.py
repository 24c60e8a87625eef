"""The corpus itself: it holds every class of bad input, and nothing in it is idle."""

import re
from collections import Counter
from pathlib import Path

import pytest
from sqlalchemy.orm import Session

from tests.attack import cells, corpus
from tests.attack.cells import KINDS, ROUTE_SETS, ROUTES
from tests.attack.good import GOOD

# How many kinds of bad input each class has.
CLASSES = {
    "A": 17, "B": 10, "C": 16, "D": 11, "E": 13, "F": 14, "G": 19, "H": 7, "I": 10, "J": 8, "K": 12, "L": 15, "M": 8,
    "N": 9, "O": 12, "Q": 3,
}  # fmt: skip
_ROWS_LEAST = 180


def test_every_kind_of_bad_input_is_there() -> None:
    wanted = {f"{letter}{number}" for letter, last in CLASSES.items() for number in range(1, last + 1)}

    assert {entry.id.split(".")[0] for entry in corpus.entries()} == wanted
    assert len(corpus.entries()) >= _ROWS_LEAST


def test_every_entry_has_an_id_of_its_own() -> None:
    assert [one for one, times in Counter(entry.id for entry in corpus.entries()).items() if times > 1] == []


def test_an_entry_is_sent_or_proved_elsewhere_or_waits() -> None:
    idle = [entry.id for entry in corpus.entries() if not (entry.enters or entry.waits_for or entry.proved_by)]

    assert idle == []


def test_an_entry_that_is_sent_says_what_it_gets() -> None:
    for entry in corpus.entries():
        assert bool(entry.enters) == bool(entry.statuses), entry
        assert entry.enters == "raw" or set(entry.statuses) in ({"api", "scale"}, set()), entry


def test_an_entry_is_at_places_or_routes_that_there_are() -> None:
    known = KINDS | cells.GROUPS.keys() | ROUTE_SETS.keys()

    assert [entry.id for entry in corpus.entries() if not known.issuperset(entry.at)] == []


def test_every_entry_is_tried_somewhere_unless_it_waits(db: Session) -> None:
    tried = {
        cell.entry.id for name, route in ROUTES.items() for cell in cells.of_route(route, GOOD[name](db))
    }  # fmt: skip

    untried = [entry for entry in corpus.entries() if entry.enters not in {None, "raw"} and entry.id not in tried]
    assert [entry.id for entry in untried if not entry.waits_for] == []


def test_every_proof_is_a_test(root: Path) -> None:
    proofs = {proof for entry in corpus.entries() for proof in entry.proved_by}

    missing = [proof for proof in proofs if not _is_there(root, *proof.split("::"))]
    assert missing == []


def _is_there(root: Path, file: str, name: str) -> bool:
    return re.search(rf"^def {name}\(", (root / file).read_text(), re.MULTILINE) is not None


@pytest.mark.parametrize(
    ("spec", "made"),
    [
        ("ü", b"\xc3\xbc"),
        (["a", {"hex": "ff00"}, "b"], b"a\xff\x00b"),
        ({"repeat": ["a", {"repeat": "b", "times": 2}], "times": 2}, b"abbabb"),
        ({"count": 3, "each": "x%d", "between": ","}, b"x0,x1,x2"),
        ({"count": 3, "each": "x%d", "between": ",", "step": 5}, b"x0,x5,x10"),
        ({"count": 3, "each": "{}", "between": ","}, b"{},{},{}"),
        ({"good": "utf-16-le"}, b'{\x00"\x00a\x00"\x00:\x00 \x001\x00}\x00'),
        (None, b""),
    ],
)
def test_a_spec_is_bytes_in_short(spec: corpus.Spec, made: bytes) -> None:
    assert corpus.build(spec, {"a": 1}) == made
