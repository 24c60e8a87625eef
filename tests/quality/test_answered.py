"""Answers in files: lines that cannot be taken are told by number, and results go by the names that came."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quality import answered
from quality.kinds import KINDS
from quality.methods.votes import TooLarge
from tests.quality.structured import kinds as structured


def _file(folder: Path, *lines: str, header: str = "task,worker,answer") -> Path:
    path = folder / "answers.csv"
    path.write_text("\n".join([header, *lines, ""]))
    return path


def _read(folder: Path, name: str, *lines: str) -> answered.Coded:
    return answered.read_answers(_file(folder, *lines), KINDS[name], told=lambda _: None)


def test_codes_stand_for_names_in_the_order_in_which_they_came(tmp_path: Path) -> None:
    coded = _read(tmp_path, "text", "t2,w2,rook", "t1,w1,crow", "t2,w1,")

    assert (coded.tasks, coded.voters, coded.bad) == (["t2", "t1"], ["w2", "w1"], [])
    assert coded.answers.values == ["rook", "crow", ""]
    assert (coded.answers.tasks.tolist(), coded.answers.voters.tolist()) == ([0, 1, 0], [0, 1, 1])


def test_lines_that_cannot_be_taken_are_told_by_their_number(tmp_path: Path) -> None:
    coded = _read(tmp_path, "number", "t,w,1", "t,w,2", "t,v,x", ",u,3", "t,u", "t,u,nan", 't,u,"4', 'x"')

    assert [(bad.line, bad.why) for bad in coded.bad] == [
        (3, "this worker has an answer for this task already"),
        (4, "its answer is not a number such as 12.5"),
        (5, "its task is empty"),
        (6, "it has 2 fields where the header has 3"),
        (7, "its answer is not a number such as 12.5"),
        (8, "its answer is not a number such as 12.5"),
    ]
    assert coded.answers.values == [1.0]


def test_a_worker_may_compare_every_pair_of_a_task_once(tmp_path: Path) -> None:
    pair = '"{{""better"": ""{}"", ""worse"": ""{}""}}"'
    coded = _read(tmp_path, "pairs", *(f"t,w,{pair.format(*two)}" for two in ("ab", "bc", "ba")))

    assert len(coded.answers.values) == 2
    assert [bad.line for bad in coded.bad] == [4]


def test_an_answer_that_is_longer_than_any_is_a_bad_line(tmp_path: Path) -> None:
    coded = _read(tmp_path, "text", f"t,w,{'x' * 100_001}", f"t,v,{'x' * 100_000}", f"t,u,{'x' * 200_000}")

    assert [bad.line for bad in coded.bad] == [2, 4]
    assert "longer than 100000 characters" in coded.bad[0].why
    assert "it is no CSV" in coded.bad[1].why


def test_known_answers_are_read_and_another_one_is_a_bad_line(tmp_path: Path) -> None:
    path = _file(tmp_path, 't,"[""a"", ""b""]"', 't,"[""b"", ""a""]"', "u,a", header="task,answer")

    known, bad = answered.read_known(path, KINDS["pairs"])

    assert known == {"t": ["a", "b"]}
    assert [(one.line, one.why) for one in bad] == [
        (3, "this task has another answer already"),
        (4, "its answer is not JSON"),
    ]


def test_a_known_task_that_nobody_answered_is_what_it_is_known_to_be(tmp_path: Path) -> None:
    coded = answered.read_answers(_file(tmp_path, "t,w,5"), KINDS["number"], tasks=["elsewhere"], told=lambda _: None)

    found = answered.aggregate(coded, gold={"elsewhere": 7.0})

    assert list(found.consensus())[1] == ("elsewhere", "7", 1.0, "", 0)


def test_agreement_is_the_mean_of_a_tasks_answers_and_of_a_workers(tmp_path: Path) -> None:
    coded = _read(tmp_path, "text", "t,w,a b", "t,v,a b", "t,u,a c")

    found = answered.aggregate(coded, gold={})

    ((task, value, confidence, agreement, n),) = found.consensus()
    assert (task, value, n) == ("t", "a b", 3)
    assert agreement == pytest.approx(2.5 / 3, abs=1e-6)
    assert 0.5 < confidence < 1.0
    assert [(row[0], row[2], row[3]) for row in found.reliabilities()] == [("w", 1.0, 1), ("v", 1.0, 1), ("u", 0.5, 1)]


def test_a_consensus_is_scored_in_the_measure_of_its_kind(tmp_path: Path) -> None:
    coded = _read(tmp_path, "text", "t,w,a b c d", "u,w,a", "s,w,a")
    found = answered.aggregate(coded, gold={})

    scored = found.scored({"t": "a b c e", "u": "a", "nowhere": "x"})

    assert scored is not None
    assert (scored.agreement, scored.n_tasks) == (0.875, 2)
    assert scored.confidence == pytest.approx(found.found.confidence[:2].mean())


def test_numbers_are_scored_by_the_tolerance_that_they_were_merged_with(tmp_path: Path) -> None:
    coded = _read(tmp_path, "number", "t,w,5", "u,w,50")

    near, far = (answered.aggregate(coded, gold={}, tolerance=one).scored({"t": 6.0}) for one in (10.0, 1.0))

    assert near is not None
    assert far is not None
    assert near.agreement == pytest.approx(np.exp(-0.005))
    assert far.agreement == pytest.approx(np.exp(-0.5))


def test_more_labels_than_memory_should_hold_are_refused(tmp_path: Path) -> None:
    coded = _read(tmp_path, "sets", *(f't{n},w{n},"[""free text {n}""]"' for n in range(30_000)))

    with pytest.raises(TooLarge, match="30,000 different labels"):
        answered.aggregate(coded, gold={})


@pytest.mark.parametrize("name", KINDS)
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_whatever_is_answered_comes_out_in_bounds_and_agrees_with_itself(name: str, data: st.DataObject) -> None:
    answers, kind = data.draw(structured.some_answers(structured.KINDS[name])), KINDS[name]
    names = [f"t{task}" for task in range(answers.n_tasks)]
    coded = answered.Coded(kind, answers, names, [f"w{voter}" for voter in range(answers.n_voters)], [])

    found = answered.aggregate(coded, gold={})

    for task, written, *shares, n in found.consensus():
        assert all(share == "" or 0.0 <= float(share) <= 1.0 for share in shares), task
        assert n == answers.per_task()[names.index(task)]
        assert "nan" not in written.lower()
        assert "inf" not in written.lower()
    scored = found.scored({task: value for task, value in zip(names, found.found.consensus, strict=True) if value})
    assert scored is None or scored.agreement == pytest.approx(1.0)
