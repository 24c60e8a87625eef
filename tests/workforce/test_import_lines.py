"""Reading files of tasks: the same records whatever the pieces are, and no line that spoils those after it."""

import csv
import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workforce import import_lines
from workforce.import_lines import LONGEST, Record


def _cut(whole: bytes, sizes: list[int]) -> list[bytes]:
    pieces = []
    for size in sizes:
        pieces.append(whole[:size])
        whole = whole[size:]
    return [piece for piece in [*pieces, whole] if piece]


def _json(whole: bytes, *sizes: int) -> list[Record]:
    return list(import_lines.json_records(import_lines.lines(_cut(whole, list(sizes)))))


def _csv(whole: bytes, columns: tuple[str, ...] = ("attachment",), *sizes: int) -> list[Record]:
    return list(import_lines.csv_records(import_lines.lines(_cut(whole, list(sizes))), columns))


_CELLS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00\r"), max_size=5)


@given(st.lists(st.tuples(_CELLS, _CELLS), max_size=8), st.lists(st.integers(0, 9)), st.sampled_from(["\n", "\r\n"]))
def test_any_rows_are_read_as_they_were_written_whatever_the_pieces(
    rows: list[tuple[str, str]], sizes: list[int], end: str
) -> None:
    file = io.StringIO(newline="")
    csv.writer(file, lineterminator=end).writerows(rows)
    whole = file.getvalue().encode()

    read = list(import_lines.csv_rows(import_lines.lines(_cut(whole, sizes))))

    # A line end in a cell is LF afterwards: which of them stood there is not told apart.
    assert [tuple(row.value) for row in read] == rows
    assert sum(row.n_bytes for row in read) == len(whole)
    assert sum(row.n_lines for row in read) == whole.count(b"\n")


@given(st.lists(st.dictionaries(st.text(max_size=3), st.integers(0, 99), max_size=3)), st.lists(st.integers(0, 9)))
def test_any_objects_are_read_as_they_were_written_whatever_the_pieces(
    values: list[dict[str, int]], sizes: list[int]
) -> None:
    values = [{key.replace("\x00", ""): value for key, value in each.items()} for each in values]
    whole = "\n".join(json.dumps(value) for value in values).encode()

    read = _json(whole, *sizes)

    assert [record.value for record in read] == values
    assert sum(record.n_bytes for record in read) == len(whole)
    assert [record.line for record in read] == list(range(1, len(values) + 1))


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b"[1]", "A line holds one JSON object."),
        (b'{"a": 1', "The line is not JSON at line 1, column 8."),
        (b'{"a": 1, "a": 2}', "The key 'a' appears twice in one object."),
        (b"\xff", "The line is not UTF-8 at byte 0."),
        (b'{"a": "' + b"x" * LONGEST + b'"}', "A task is at most 262,144 bytes, with its line ends."),
    ],
)
def test_a_line_that_cannot_be_read_says_why_and_spoils_no_other(line: bytes, said: str) -> None:
    before, bad, after = _json(b"{}\n" + line + b'\n{"b": 2}\n', 5, 70_000, 200_000)

    assert (before.value, bad.value, bad.fault, bad.line) == ({}, None, said, 2)
    assert (after.value, after.fault, after.line) == ({"b": 2}, None, 3)


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (b"a,b", "The row has 2 cells; there are 1 columns."),
        (b"\xff", "The row is not UTF-8."),
        (b"a\x00b", "The row holds a NUL, which cannot be stored."),
        (b'"a"b', "The row is not CSV: ',' expected after '\"'."),
        (b"x" * (LONGEST + 1), "A task is at most 262,144 bytes, with its line ends."),
        (b"x" * 140_000, "The row is not CSV: field larger than field limit (131072)."),
    ],
)
def test_a_row_that_cannot_be_read_says_why_and_spoils_no_other(row: bytes, said: str) -> None:
    before, bad, after = _csv(b"one\n" + row + b"\nthree\n", ("attachment",), 7, 70_000)

    assert (before.value, bad.value, bad.fault, bad.line) == ({"attachment": "one"}, None, said, 2)
    assert (after.value, after.fault, after.line) == ({"attachment": "three"}, None, 3)


def test_a_quote_that_is_never_closed_spoils_no_more_than_one_record_may_have() -> None:
    whole = b'one\n"two\n' + b"three\n" * (LONGEST // 6) + b"last\n"

    one, spoilt, *rest = _csv(whole)

    assert one.value == {"attachment": "one"}
    assert spoilt.fault == "The row is not CSV: field larger than field limit (131072)."
    assert rest[-1].value == {"attachment": "last"}
    assert one.n_lines + spoilt.n_lines + sum(record.n_lines for record in rest) == whole.count(b"\n")


def test_cells_that_are_empty_are_left_out_and_those_of_metadata_are_one_object() -> None:
    read = _csv(b'a,,"x\ny",1\n,u,,\n\n', ("attachment", "unique_id", "metadata.place", "metadata.n"))

    assert [record.value for record in read] == [
        {"attachment": "a", "metadata": {"place": "x\ny", "n": "1"}}, {"unique_id": "u"}, None,
    ]  # fmt: skip
    assert [(record.line, record.n_lines) for record in read] == [(1, 2), (3, 1), (4, 1)]


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ([], "The first row names the columns"),
        (["attachment", "attachment"], "The column 'attachment' is there twice."),
        (["nothing"], "The column 'nothing' is none of attachment or metadata.NAME."),
        (["metadata."], "The column 'metadata.' is none of"),
    ],
)
def test_a_header_that_names_no_columns_is_refused(row: list[str], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        import_lines.columns_of(row, ["attachment"])


def test_a_header_may_begin_with_a_byte_order_mark() -> None:
    assert import_lines.columns_of(["\ufeffattachment", " metadata.a "], ["attachment"]) == ["attachment", "metadata.a"]
