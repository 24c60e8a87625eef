"""Hostile, broken and endless files: every reader answers with one named refusal, within bounds."""

import io
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payments.files import camt, pain002, reading
from payments.files.reading import Unreadable
from tests.payments.files import test_camt, test_pain002

STATEMENT = test_camt.document(test_camt.entry(test_camt.details()), test_camt.entry(refs=("", "bank2")))
REPORT = test_pain002._report(test_pain002._block(test_pain002._order("pyt1", "ACSP"), status="PART"), status="PART")
READERS: list[tuple[Callable[[BinaryIO], Iterator[Any]], bytes]] = [(camt.read, STATEMENT), (pain002.read, REPORT)]
EACH = pytest.mark.parametrize(("read", "good"), READERS, ids=["camt", "pain002"])
Reader = Callable[[BinaryIO], Iterator[Any]]


def _refused(read: Reader, content: bytes) -> Unreadable:
    with pytest.raises(Unreadable) as found:
        list(read(io.BytesIO(content)))
    return found.value


@EACH
@pytest.mark.parametrize("content", [b"", b" ", b"\n\n", b"hello", b"<", b"\x00", b"\xff\xfe", b"{}", b"PK\x03\x04"])
def test_what_is_no_xml_is_unreadable(read: Reader, good: bytes, content: bytes) -> None:
    assert _refused(read, content).reason.startswith("Is not well-formed")


@EACH
def test_a_file_that_breaks_off_anywhere_is_unreadable(read: Reader, good: bytes) -> None:
    for length in range(len(good) - 1):
        _refused(read, good[:length])


@EACH
def test_something_after_the_document_is_unreadable(read: Reader, good: bytes) -> None:
    _refused(read, good + good)


@EACH
@pytest.mark.parametrize(
    ("old", "new"),
    [
        (rb"tech:xsd:[a-z]+\.\d+", b"tech:xsd:pain.001"),
        (rb"\.001\.0\d", b".001.01"),
        (rb"\.001\.0\d", b".001.99"),
        (rb"\.001\.0\d", b".002.03"),
        (rb"\.001\.0\d", b".001.03x"),
        (rb"urn:iso", b"URN:iso"),
        (rb"urn:iso", b"urn}{iso"),
        (rb' xmlns="[^"]+"', b""),
        (rb"Document", b"Dokument"),
        (rb"<Document", b"<Outer><Document"),
    ],
)
def test_another_root_or_namespace_is_unreadable(read: Reader, good: bytes, old: bytes, new: bytes) -> None:
    spoilt = re.sub(old, new, good).replace(
        b"</Document>", b"</Document></Outer>" if b"Outer" in new else b"</Document>"
    )

    assert _refused(read, spoilt).reason.startswith("Is no document of this kind")


@EACH
@pytest.mark.parametrize(
    "declared",
    [
        b"<!DOCTYPE Document>",
        b'<!DOCTYPE Document [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>',
        b'<!DOCTYPE Document [<!ENTITY a SYSTEM "file:///etc/passwd">]>',
        b'<!DOCTYPE Document SYSTEM "http://127.0.0.1:9/x.dtd">',
        b'<!DOCTYPE Document [<!ATTLIST Amt Ccy CDATA "USD">]>',
    ],
)
def test_a_document_type_is_refused_before_it_is_read(read: Reader, good: bytes, declared: bytes) -> None:
    assert "document type" in _refused(read, good.replace(b"<Document", declared + b"<Document")).reason


@EACH
def test_a_document_type_across_two_buffers_is_seen(read: Reader, good: bytes) -> None:
    for cut in range(1, 9):
        blank = b" " * (32_768 - good.index(b"<Document") - cut)
        _refused(read, good.replace(b"<Document", blank + b"<!DOCTYPE Document><Document"))


@EACH
def test_a_document_type_that_arrives_byte_by_byte_is_seen(read: Reader, good: bytes) -> None:
    class Drip(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            return super().read(1)

    assert list(read(Drip(good))) == list(read(io.BytesIO(good)))
    with pytest.raises(Unreadable, match="document type"):
        list(read(Drip(good.replace(b"<Document", b"<!DOCTYPE Document><Document"))))


@EACH
def test_an_entity_that_nobody_declared_is_unreadable(read: Reader, good: bytes) -> None:
    _refused(read, good.replace(b"pyt1", b"&secret;"))


@EACH
@pytest.mark.parametrize("encoding", ["utf-16", "utf-7", "utf-32", "cp037"])
def test_another_encoding_hides_nothing(read: Reader, good: bytes, encoding: str) -> None:
    text = good.decode().replace("UTF-8", encoding).replace("<Document", "<!DOCTYPE Document><Document")

    _refused(read, text.encode(encoding))


@EACH
def test_bytes_that_are_no_utf_8_are_unreadable_whatever_is_declared(read: Reader, good: bytes) -> None:
    _refused(read, good.replace(b"UTF-8", b"ISO-8859-1").replace(b"pyt1", b"pyt\xe9"))


@EACH
def test_a_byte_order_mark_does_no_harm(read: Reader, good: bytes) -> None:
    assert list(read(io.BytesIO(b"\xef\xbb\xbf" + good))) == list(read(io.BytesIO(good)))


@EACH
def test_comments_and_instructions_change_no_value(read: Reader, good: bytes) -> None:
    spoilt = good.replace(b"pyt1", b"p<!-- x -->y<?x y?>t1").replace(b"12.50", b"1<!-- -->2<![CDATA[.5]]>0")

    assert list(read(io.BytesIO(spoilt))) == list(read(io.BytesIO(good)))


@EACH
def test_a_prefix_for_the_namespace_changes_nothing(read: Reader, good: bytes) -> None:
    prefixed = re.sub(rb"<(/?)([A-Z])", rb"<\1p:\2", good).replace(b"xmlns=", b"xmlns:p=")

    assert list(read(io.BytesIO(prefixed))) == list(read(io.BytesIO(good)))


@EACH
def test_elements_of_another_namespace_count_for_nothing(read: Reader, good: bytes) -> None:
    spoilt = re.sub(rb"<(Ntry|TxInfAndSts)>", rb'<\1 xmlns="urn:other">', good)

    assert len(list(read(io.BytesIO(spoilt)))) < len(list(read(io.BytesIO(good))))


@EACH
def test_depth_is_bounded(read: Reader, good: bytes) -> None:
    deep = b"<x>" * 1_000 + b"</x>" * 1_000

    assert "depth" in _refused(read, good.replace(b"<GrpHdr>", deep + b"<GrpHdr>")).reason


@pytest.mark.parametrize("filler", [b" ", b"<x/>", b"<!-- x -->", b"<x y='z'>a</x>"])
@pytest.mark.parametrize(
    ("read", "good", "place"),
    [(read, good, place) for read, good in READERS for place in (b"<GrpHdr>", b"</Document>")]
    + [(camt.read, STATEMENT, b"</TxDtls>"), (pain002.read, REPORT, b"</TxInfAndSts>")],
)
def test_what_never_ends_is_refused_within_a_megabyte(read: Reader, good: bytes, place: bytes, filler: bytes) -> None:
    endless = _Endless(good[: good.index(place)], filler)

    with pytest.raises(Unreadable):
        list(read(endless))

    assert endless.size <= reading.ELEMENT_MAX + 2 * 32_768


class _Endless(io.BytesIO):
    """A beginning, then one filler for ever."""

    def __init__(self, beginning: bytes, filler: bytes) -> None:
        super().__init__()
        self.size, self._rest, self._filler = 0, beginning, filler

    def read(self, size: int | None = -1) -> bytes:
        assert size is not None
        self._rest += self._filler * (size // len(self._filler) + 1)
        chunk, self._rest = self._rest[:size], self._rest[size:]
        self.size += len(chunk)
        return chunk


@EACH
def test_the_line_of_a_fault_is_named(read: Reader, good: bytes) -> None:
    lines = b"\n" * 70_000

    refused = _refused(read, good.replace(b"<GrpHdr>", lines + b"<GrpHdr>").replace(b"pyt1", b"p" * 36))

    assert refused.line is not None
    assert refused.line > 70_000
    assert str(refused).startswith(f"line {refused.line}: ")


@EACH
@given(data=st.data())
def test_any_spoilt_file_is_read_or_unreadable(read: Reader, good: bytes, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(good)))
    end = data.draw(st.integers(start, min(len(good), start + 60)))
    spoilt = good[:start] + data.draw(st.binary(max_size=30) | st.sampled_from(PIECES)) + good[end:]

    try:
        list(read(io.BytesIO(spoilt)))
    except Unreadable as unreadable:
        assert unreadable.reason  # noqa: PT017 - either is right


PIECES = sorted({piece for _, good in READERS for piece in re.findall(rb"<[^>]+>", good)})

_PEAK = """
import resource, sys
from tests.payments.files.test_reading import read_many
read_many(sys.argv[1], int(sys.argv[2]))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


class _Many(io.BytesIO):
    """A file with one piece so many times in its middle, made while it is read."""

    def __init__(self, content: bytes, piece: bytes, number: int) -> None:
        super().__init__()
        head, tail = content.split(piece)
        self._parts = iter([head, *[piece * 20] * (number // 20), tail])

    def read(self, size: int | None = -1) -> bytes:
        return next(self._parts, b"")


def read_many(kind: str, number: int) -> None:
    """Read so many entries or orders; called in a process of its own, whose memory is measured."""
    if kind == "camt":
        piece = test_camt.entry(test_camt.details(), test_camt.details())
        content = test_camt.document(piece)
        found = _count(camt.read(_Many(content, piece.encode(), number)))
    else:
        order = test_pain002._order("pyt1", "RJCT")
        content = test_pain002._report(test_pain002._block(order), status="PART")
        found = _count(pain002.read(_Many(content, order.encode(), number)))
    assert found == number + 1


def _count(found: Iterator[object]) -> int:
    return sum(1 for _ in found)


@pytest.mark.parametrize("kind", ["camt", "pain002"])
def test_ten_times_as_many_need_no_more_memory(kind: str) -> None:
    peaks = [
        int(subprocess.run([sys.executable, "-c", _PEAK, kind, number], check=True, capture_output=True).stdout)
        for number in ("3000", "30000")
    ]

    assert peaks[1] - peaks[0] < 5 * 1024
