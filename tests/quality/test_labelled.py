"""Votes in CSV files: what is taken, what is told by its line, and files that are none."""

import gzip
from pathlib import Path

import pytest

from quality import labelled
from quality.labelled import Coded, Unreadable
from quality.methods.votes import UNKNOWN

_HEADER = "task,worker,label\n"


def read(path: Path, content: str | bytes, **more: list[str]) -> Coded:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return labelled.read_votes(path, told=lambda _n: None, **more)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "labels.csv"


def test_names_become_codes_and_classes_are_sorted(path: Path) -> None:
    found = read(path, _HEADER + "b,ann,rook\na,ann,crow\nb,ben,crow\n")

    assert (found.tasks, found.voters, found.classes) == (["b", "a"], ["ann", "ben"], ["crow", "rook"])
    assert found.votes.tasks.tolist() == [0, 1, 0]
    assert found.votes.voters.tolist() == [0, 0, 1]
    assert found.votes.labels.tolist() == [1, 0, 0]
    assert found.bad == []


def test_columns_stand_in_any_order_beside_others_and_behind_a_mark(path: Path) -> None:
    found = read(path, b"\xef\xbb\xbfseconds,Label,TASK,worker\r\n3,x,t,w\r\n")

    assert (found.tasks, found.voters, found.classes, found.bad) == (["t"], ["w"], ["x"], [])


def test_packed_files_are_read_as_they_are(tmp_path: Path) -> None:
    found = read(tmp_path / "labels.csv.gz", gzip.compress((_HEADER + "t,w,x\n").encode()))

    assert found.votes.size == 1


def test_the_first_label_of_a_worker_for_a_task_stands(path: Path) -> None:
    found = read(path, _HEADER + "t,w,x\nt,v,y\nt,w,y\nt,w,x\n")

    assert found.votes.labels.tolist() == [0, 1]
    assert [(bad.line, bad.why) for bad in found.bad] == [
        (4, "this worker has a label for this task already"),
        (5, "this worker has a label for this task already"),
    ]


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b"t,w", "it has 2 fields where the header has 3"),
        (b"t,w,x,y", "it has 4 fields where the header has 3"),
        (b"t,,x", "its worker is empty"),
        (b"t,w,  ", "its label is empty"),
        (b"t,w,\xff", "its label is not UTF-8 text"),
        (b"t,w,\x00", "its label is not UTF-8 text"),
        (b"t,w," + b"x" * 1001, "its label is longer than 1000 characters"),
        (b't,"w"v,x', "it is no CSV: ',' expected after '\"'"),
    ],
)
def test_a_bad_line_is_told_by_its_number_and_the_others_are_taken(path: Path, line: bytes, why: str) -> None:
    found = read(path, _HEADER.encode() + b"a,w,x\n" + line + b"\nb,w,x\n")

    assert [(bad.line, bad.why) for bad in found.bad] == [(3, why)]
    assert str(found.bad[0]) == f"{path}, line 3: {why}"
    assert found.tasks == ["a", "b"]


def test_empty_lines_are_none(path: Path) -> None:
    found = read(path, _HEADER + "\nt,w,x\n\n")

    assert (found.votes.size, found.bad) == (1, [])


@pytest.mark.parametrize("content", [b"", b"task,worker\nt,w\n", b"task,task,worker,label\n", b"t,w,x\n"])
def test_a_file_without_its_columns_is_refused(path: Path, content: bytes) -> None:
    with pytest.raises(Unreadable, match="must begin with a line that names its columns: task,worker,label"):
        read(path, content)


@pytest.mark.parametrize("content", [b"no gzip", gzip.compress(_HEADER.encode() * 999, mtime=0)[:-20]])
def test_a_file_that_is_not_packed_as_it_says_is_refused(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(Unreadable, match="cannot be read"):
        read(tmp_path / "labels.csv.gz", content)


def test_gold_adds_its_classes_and_tasks(path: Path) -> None:
    found = read(path, _HEADER + "t,w,x\n", classes=["y"], tasks=["u"])

    assert (found.classes, found.tasks) == (["x", "y"], ["t", "u"])
    assert found.known({"u": "y"}).tolist() == [UNKNOWN, 1]


def test_two_labels_for_a_gold_task_are_one_too_many(path: Path) -> None:
    path.write_text("task,label\nt,x\nt,x\nt,y\n")

    labels, bad = labelled.read_labels(path)

    assert labels == {"t": "x"}
    assert [(one.line, one.why) for one in bad] == [(4, "this task is x already")]


def test_what_was_written_is_read_again(tmp_path: Path) -> None:
    for name in ("out.csv", "out.csv.gz"):
        labelled.write(tmp_path / name, ("task", "label"), [("=a", 'quoted "b",\n')], overwrite=False)

        assert labelled.read_labels(tmp_path / name) == ({"=a": 'quoted "b",\n'}, [])


def test_a_file_that_exists_is_not_replaced_unless_asked(path: Path) -> None:
    path.write_text("precious")

    with pytest.raises(Unreadable, match="exists already"):
        labelled.write(path, ("a",), [], overwrite=False)

    assert path.read_text() == "precious"
    labelled.write(path, ("a",), [], overwrite=True)
    assert path.read_text() == "a\n"


def test_a_file_that_cannot_be_written_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(Unreadable, match="cannot be written"):
        labelled.write(tmp_path / "no" / "such.csv", ("a",), [], overwrite=False)

    assert list(tmp_path.iterdir()) == []
