"""`rookery aggregate` as a researcher uses it: a file in, files out, and a sentence when something is wrong."""

import csv
import gzip
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from quality import commands
from quality.aggregation import METHODS
from quality.kinds import KINDS

_BLUEBIRD = Path(__file__).parents[2] / "demo" / "bluebird"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def run(folder: Path, *options: str, labels: Path | None = None) -> Result:
    out = ["--out", str(folder / "consensus.csv"), "--workers", str(folder / "workers.csv")]
    return CliRunner().invoke(commands.aggregate, [str(labels or _BLUEBIRD / "labels.csv"), *out, *options])


def rows(path: Path) -> list[dict[str, str]]:
    with path.open() as file:
        return list(csv.DictReader(file))


def labels_of(folder: Path, *lines: str) -> Path:
    path = folder / "labels.csv"
    path.write_text("\n".join(["task,worker,label", *lines, ""]))
    return path


def test_bluebirds_are_told_apart_from_a_file(folder: Path) -> None:
    ran = run(folder, "--truth", str(_BLUEBIRD / "truth.csv"))

    assert ran.exit_code == 0, ran.output
    assert ran.stdout.startswith("right 0.8981 of 108 tasks, log loss 0.3")
    consensus, workers = rows(folder / "consensus.csv"), rows(folder / "workers.csv")
    assert list(consensus[0]) == ["task", "label", "confidence"]
    assert len(consensus) == 108
    assert all(0.5 <= float(row["confidence"]) <= 1 for row in consensus)
    assert list(workers[0]) == ["worker", "reliability", "low", "high", "answers"]
    assert sum(int(row["answers"]) for row in workers) == 4212
    assert all(0 <= float(row["low"]) <= float(row["reliability"]) <= float(row["high"]) <= 1 for row in workers)


@pytest.mark.parametrize("method", METHODS)
def test_every_method_runs_and_gold_is_certain(folder: Path, method: str) -> None:
    gold = folder / "gold.csv"
    gold.write_text("task,label\nt0,0\nelsewhere,2\n")

    ran = run(folder, "--method", method, "--gold", str(gold))

    assert ran.exit_code == 0, ran.output
    by_task = {row["task"]: (row["label"], float(row["confidence"])) for row in rows(folder / "consensus.csv")}
    assert by_task["t0"] == ("0", 1.0)
    assert by_task["elsewhere"] == ("2", 1.0)


def test_bad_lines_are_refused_or_skipped_as_asked(folder: Path) -> None:
    labels = labels_of(folder, "t,w,x", "t,w,y", "t,v", *["t,,x"] * 10)

    refused, skipped = run(folder, labels=labels), run(folder, "--bad-lines", "skip", labels=labels)

    assert refused.exit_code == 1
    assert "line 3: this worker has a label for this task already" in refused.stderr
    assert "line 4: it has 2 fields where the header has 3" in refused.stderr
    assert "... and 2 more" in refused.stderr
    assert "Error: 12 bad lines; mend them, or pass --bad-lines skip." in refused.stderr
    assert skipped.exit_code == 0
    assert rows(folder / "consensus.csv")[0]["label"] == "x"


def test_files_that_exist_are_kept_unless_told(folder: Path) -> None:
    first, again, replaced = run(folder), run(folder), run(folder, "--overwrite")

    assert [ran.exit_code for ran in (first, again, replaced)] == [0, 1, 0]
    assert "exists already; --overwrite replaces it." in again.stderr


def test_a_file_without_votes_is_refused(folder: Path) -> None:
    ran = run(folder, labels=labels_of(folder))

    assert ran.exit_code == 1
    assert "has no vote in it" in ran.stderr


def test_more_classes_than_memory_holds_are_refused_with_a_hint(folder: Path) -> None:
    labels = labels_of(folder, *[f"t{n},w{n % 100},free text {n}" for n in range(20_000)])

    ran = run(folder, labels=labels)

    assert ran.exit_code == 1
    assert "Is the column of labels the right one?" in ran.stderr


def test_one_class_and_one_answer_are_enough(folder: Path) -> None:
    ran = run(folder, labels=labels_of(folder, "t,w,x"))

    assert ran.exit_code == 0
    assert rows(folder / "consensus.csv") == [{"task": "t", "label": "x", "confidence": "1.0"}]


def test_a_column_of_texts_as_labels_is_refused_in_bounded_memory(folder: Path) -> None:
    labels = labels_of(folder, *[f"t{n},w{n % 100},free text {n}" for n in range(100_000)])
    limit = "import resource, sys; resource.setrlimit(resource.RLIMIT_AS, (2**31, 2**31)); "
    command = "from quality import commands; commands.aggregate(sys.argv[1:])"

    ran = subprocess.run(
        [sys.executable, "-c", limit + command, str(labels), "--out", str(folder / "consensus.csv")],
        capture_output=True,
        text=True,
        check=False,
    )

    assert ran.returncode == 1, ran.stderr
    assert "100,000 classes" in ran.stderr
    assert "Is the column of labels the right one?" in ran.stderr


@pytest.mark.parametrize("method", METHODS)
def test_the_poorest_files_have_an_answer_and_never_a_nan(folder: Path, method: str) -> None:
    gold = folder / "gold.csv"
    gold.write_text("task,label\nnobody's,x\n")
    one_class = labels_of(folder, "t,w,x", "u,w,x", "u,v,x")

    ran = run(folder, "--method", method, "--gold", str(gold), labels=one_class)

    assert ran.exit_code == 0, ran.output
    assert [row["confidence"] for row in rows(folder / "consensus.csv")] == ["1.0"] * 3
    for row in rows(folder / "workers.csv"):
        assert 0 <= float(row["low"]) <= float(row["reliability"]) <= float(row["high"]) <= 1


def test_two_truths_for_a_gold_are_refused_or_the_first_stands_as_asked(folder: Path) -> None:
    gold, labels = folder / "gold.csv", labels_of(folder, "t,w,x", "t,v,y", "u,w,y")
    gold.write_text("task,label\nt,x\nt,y\n")

    refused = run(folder, "--gold", str(gold), labels=labels)
    skipped = run(folder, "--gold", str(gold), "--bad-lines", "skip", labels=labels)

    assert refused.exit_code == 1
    assert "line 3: this task is x already" in refused.stderr
    assert skipped.exit_code == 0
    assert rows(folder / "consensus.csv")[0] == {"task": "t", "label": "x", "confidence": "1.0"}


def test_nan_is_a_label_like_any_other(folder: Path) -> None:
    ran = run(folder, labels=labels_of(folder, "t,w,nan", "t,v,nan", "u,w,x"))

    assert ran.exit_code == 0
    assert [row["label"] for row in rows(folder / "consensus.csv")] == ["nan", "x"]


def test_a_truth_that_nobody_voted_for_counts_as_missed(folder: Path) -> None:
    truth = folder / "truth.csv"
    truth.write_text("task,label\nt,x\nu,never\n")

    ran = run(folder, "--truth", str(truth), labels=labels_of(folder, "t,w,x", "u,w,x"))

    assert ran.stdout.startswith("right 0.5000 of 2 tasks")


def test_a_truth_of_other_tasks_says_nothing(folder: Path) -> None:
    truth = folder / "truth.csv"
    truth.write_text("task,label\nelsewhere,x\n")

    ran = run(folder, "--truth", str(truth), labels=labels_of(folder, "t,w,x"))

    assert ran.stdout == "No task has a known truth.\n"


def _said(folder: Path, ran: Result) -> tuple[str, float]:
    assert ran.exit_code == 0, ran.output
    (row,) = [row for row in rows(folder / "consensus.csv") if row["task"] == "bird"]
    return row["label"], float(row["confidence"])


@pytest.mark.parametrize(("families", "label"), [((), "crow"), (("e,expert",), "rook")])
def test_an_expert_is_told_from_the_crowd_by_a_file(folder: Path, families: tuple[str, ...], label: str) -> None:
    crowd = [
        f"t{task},w{worker},{'rook' if (task + worker) % 5 == 0 else 'crow'}"
        for task in range(60)
        for worker in range(4)
    ]
    labels = labels_of(folder, *crowd, *(f"bird,w{worker},crow" for worker in range(4)), "bird,e,rook")
    told = folder / "families.csv"
    told.write_text("\n".join(["worker,family", *families, "nobody,expert", ""]))

    ran = run(folder, "--families", str(told), labels=labels)

    assert _said(folder, ran)[0] == label


def test_models_that_are_made_alike_count_for_less(folder: Path) -> None:
    people = [f"t{task},w{worker},crow" for task in range(40) for worker in range(3)]
    machines = [f"t{task},m{model},crow" for task in range(40) for model in range(6)]
    bird = [*(f"bird,w{worker},crow" for worker in range(3)), *(f"bird,m{model},rook" for model in range(6))]
    labels = labels_of(folder, *people, *machines, *bird)
    told = folder / "families.csv"
    told.write_text("\n".join(["worker,family", *(f"m{model},bert" for model in range(6)), ""]))

    alone = _said(folder, run(folder, labels=labels))
    together = _said(folder, run(folder, "--families", str(told), "--overwrite", labels=labels))

    assert alone[0] == together[0] == "rook"
    assert together[1] < alone[1]


def test_families_need_a_method_that_knows_them(folder: Path) -> None:
    told = folder / "families.csv"
    told.write_text("worker,family\nw1,expert\n")

    ran = run(folder, "--families", str(told), "--method", "majority")

    assert ran.exit_code == 2
    assert "hierarchical" in ran.output


def test_a_worker_is_of_one_family(folder: Path) -> None:
    told = folder / "families.csv"
    told.write_text("worker,family\nw1,expert\nw1,bert\n")

    ran = run(folder, "--families", str(told))

    assert ran.exit_code == 1
    assert "line 3: this worker is expert already" in ran.output


def test_two_processes_write_the_same_files(folder: Path) -> None:
    alone = run(folder)
    written = [(folder / name).read_bytes() for name in ("consensus.csv", "workers.csv")]

    spread = run(folder, "--dask", "2", "--overwrite", "--truth", str(_BLUEBIRD / "truth.csv"))

    assert spread.exit_code == 0, spread.output
    assert [(folder / name).read_bytes() for name in ("consensus.csv", "workers.csv")] == written
    assert alone.stderr in spread.stderr
    assert spread.stdout.startswith("right 0.8981 of 108 tasks, log loss 0.3")
    assert sorted(path.name for path in folder.iterdir()) == ["consensus.csv", "workers.csv"]


def test_bad_lines_of_shards_are_told_as_ever(folder: Path) -> None:
    labels = labels_of(folder, "t,w,x", "t,w,y", "t,v", "u,w,x")

    ran = run(folder, "--dask", "1", "--bad-lines", "skip", labels=labels)

    assert ran.exit_code == 0
    assert "line 3: this worker has a label for this task already" in ran.stderr
    assert "line 4: it has 2 fields where the header has 3" in ran.stderr
    assert [row["task"] for row in rows(folder / "consensus.csv")] == ["t", "u"]


def test_without_the_extra_dask_is_refused_with_the_command_that_brings_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr("quality.distributed", raising=False)
    monkeypatch.setitem(sys.modules, "quality.distributed", None)

    ran = run(folder, "--dask", "2")

    assert ran.exit_code == 1
    assert 'pip install "rookery[dask]"' in ran.stderr


# Answers that are no classes

# For each kind: what two good workers and one bad one say of two tasks each, what is known, and what comes of it.
_SAID = {
    "text": (["the rook flies", "no idea"], ["a crow", "what"], "the rook flies", "a crow"),
    "number": (["10", "90"], ["50", "20"], "10", "50"),
    "spans": (
        ['[{"start": 0, "end": 5}]', "[]"],
        ["[]", '[{"start": 3, "end": 9}]'],
        '[{"start":0,"end":5}]',
        "[]",
    ),
    "boxes": (
        ['[{"left": 0, "top": 0, "right": 4, "bottom": 4}]', "[]"],
        ["[]", '[{"left": 5, "top": 5, "right": 9, "bottom": 9}]'],
        '[{"left":0,"top":0,"right":4,"bottom":4}]',
        "[]",
    ),
    "polygons": (
        ['[{"corners": [[0, 0], [4, 0], [0, 4]], "label": "rook"}]', "[]"],
        ["[]", '[{"corners": [[5, 5], [9, 5], [5, 9]]}]'],
        '[{"corners":[[0,0],[4,0],[0,4]],"label":"rook"}]',
        "[]",
    ),
    "cuboids": (
        ['[{"corners": [[0,0], [4,0], [4,4], [0,4], [1,-1], [5,-1], [5,3], [1,3]]}]', "[]"],
        ["[]", '[{"corners": [[9,9], [12,9], [12,12], [9,12], [9,9], [12,9], [12,12], [9,12]]}]'],
        '[{"corners":[[0,0],[4,0],[4,4],[0,4],[1,-1],[5,-1],[5,3],[1,3]]}]',
        "[]",
    ),
    "points": (
        ['[{"x": 3, "y": 4.5, "label": "eye"}]', "[]"],
        ["[]", '[{"x": 90, "y": 90}]'],
        '[{"x":3,"y":4.5,"label":"eye"}]',
        "[]",
    ),
    "lines": (
        ['[{"corners": [[0, 0], [40, 5]]}]', "[]"],
        ["[]", '[{"corners": [[900, 0], [940, 5]]}]'],
        '[{"corners":[[0,0],[40,5]]}]',
        "[]",
    ),
    "fields": (
        ['{"title": "the rook", "body": "flies"}', '{"title": "no idea"}'],
        ['{"title": "a crow"}', '{"body": "what"}'],
        '{"body":"flies","title":"the rook"}',
        '{"title":"a crow"}',
    ),
    "pairs": (
        ['{"better": "a", "worse": "b"}', '{"better": "b", "worse": "a"}'],
        ['{"better": "d", "worse": "c"}', '{"better": "c", "worse": "d"}'],
        '["a","b"]',
        '["d","c"]',
    ),
    "ranking": (['["a", "b", "c"]', '["c", "b", "a"]'], ['["b", "a"]', '["a", "b"]'], '["a","b","c"]', '["b","a"]'),
    "sets": (['["red", "blue"]', '["green"]'], ["[]", '["red"]'], '["blue","red"]', "[]"),
}


def answers_of(folder: Path, *rows: tuple[str, ...], header: tuple[str, ...] = ("task", "worker", "answer")) -> Path:
    path = folder / f"{'_'.join(header)}.csv.gz"
    with gzip.open(path, "wt", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    return path


def test_every_kind_is_tried() -> None:
    assert _SAID.keys() == KINDS.keys()


@pytest.mark.parametrize("kind", _SAID)
def test_answers_of_every_kind_are_merged_from_a_file(folder: Path, kind: str) -> None:
    one, other, first, second = _SAID[kind]
    said = [(f"t{n}", one if n % 2 == 0 else other) for n in range(10)]
    answers = answers_of(
        folder,
        *[(task, worker, good) for worker in ("ada", "bob", "cleo") for task, (good, _) in said],
        *[(task, "dan", bad) for task, (_, bad) in said],
    )
    truth = answers_of(folder, ("t0", first), ("t1", second), header=("task", "answer"))

    ran = run(folder, "--kind", kind, "--truth", str(truth), labels=answers)

    assert ran.exit_code == 0, ran.output
    assert float(ran.stdout.split()[1]) > 0.99, ran.stdout
    assert "with the truth of 2 tasks" in ran.stdout
    assert "40 answers of 4 workers on 10 tasks" in ran.stderr
    consensus, workers = rows(folder / "consensus.csv"), rows(folder / "workers.csv")
    assert list(consensus[0]) == ["task", "answer", "confidence", "agreement", "answers"]
    # A mean is moved a little by whoever is far away.
    merged = [f"{float(row['answer']):.0f}" if kind == "number" else row["answer"] for row in consensus]
    assert merged == [first, second] * 5
    assert all(0 < float(row["confidence"]) <= 1 for row in consensus)
    assert list(workers[0]) == ["worker", "reliability", "agreement", "answers"]
    assert [row["worker"] for row in workers] == ["ada", "bob", "cleo", "dan"]
    assert float(workers[3]["reliability"]) < min(float(row["reliability"]) for row in workers[:3])


@pytest.mark.parametrize("kind", _SAID)
def test_known_answers_of_every_kind_are_certain(folder: Path, kind: str) -> None:
    one, _, first, second = _SAID[kind]
    answers = answers_of(folder, ("t0", "ada", one[0]), ("t0", "bob", one[1]))
    gold = answers_of(folder, ("t0", first), ("elsewhere", second), header=("task", "answer"))

    ran = run(folder, "--kind", kind, "--gold", str(gold), labels=answers)

    assert ran.exit_code == 0, ran.output
    found = {row["task"]: (row["answer"], row["confidence"], row["answers"]) for row in rows(folder / "consensus.csv")}
    assert found == {"t0": (first, "1.0", "2"), "elsewhere": (second, "1.0", "0")}


@pytest.mark.parametrize("kind", sorted(KINDS.keys() - {"text"}))
def test_a_bad_answer_of_any_kind_is_told_by_its_line_and_ends_in_no_traceback(folder: Path, kind: str) -> None:
    good, bad = _SAID[kind][0][0], "[NaN, {"
    answers = answers_of(folder, ("t0", "ada", good), ("t0", "bob", bad), ("t1", "ada", ""))

    refused, skipped = (run(folder, "--kind", kind, *skip, labels=answers) for skip in ([], ["--bad-lines", "skip"]))

    assert refused.exit_code == 1
    assert "line 3: its answer " in refused.stderr
    assert "line 4: its answer is not " in refused.stderr
    assert "Error: 2 bad lines; mend them, or pass --bad-lines skip." in refused.stderr
    assert "Traceback" not in refused.output
    assert skipped.exit_code == 0, skipped.output
    assert [row["task"] for row in rows(folder / "consensus.csv")] == ["t0"]


def test_numbers_take_a_tolerance(folder: Path) -> None:
    answers = answers_of(folder, ("t", "ada", "1"), ("t", "bob", "3"))

    sure = []
    for tolerance in ("0.1", "100"):
        ran = run(folder, "--kind", "number", "--tolerance", tolerance, "--overwrite", labels=answers)
        assert ran.exit_code == 0, ran.output
        sure.append(float(rows(folder / "consensus.csv")[0]["confidence"]))

    assert sure[0] < 0.2
    assert sure[1] > 0.8


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--kind", "text", "--method", "wawa"], "--method is for classes"),
        (["--kind", "text", "--tolerance", "1"], "--tolerance is for --kind number"),
        (["--tolerance", "1"], "--tolerance is for --kind number"),
        (["--kind", "number", "--tolerance", "0"], "--tolerance must lie between 1e-50 and 1e100"),
        (["--kind", "number", "--tolerance", "nan"], "--tolerance must lie between 1e-50 and 1e100"),
        (["--kind", "number", "--tolerance", "inf"], "--tolerance must lie between 1e-50 and 1e100"),
        (["--kind", "images"], "Invalid value for '--kind'"),
    ],
)
def test_options_that_do_not_go_together_are_refused(folder: Path, options: list[str], said: str) -> None:
    ran = run(folder, *options)

    assert ran.exit_code == 2
    assert said in ran.stderr


def test_a_file_of_labels_is_not_taken_for_one_of_answers(folder: Path) -> None:
    ran = run(folder, "--kind", "text")

    assert ran.exit_code == 1
    assert "must begin with a line that names its columns: task,worker,answer." in ran.stderr


def test_a_file_without_answers_is_refused(folder: Path) -> None:
    ran = run(folder, "--kind", "text", labels=answers_of(folder))

    assert ran.exit_code == 1
    assert "has no answer in it" in ran.stderr


def test_a_truth_of_other_tasks_scores_nothing(folder: Path) -> None:
    answers = answers_of(folder, ("t", "ada", "1"))
    truth = answers_of(folder, ("u", "1"), header=("task", "answer"))

    assert run(folder, "--kind", "number", "--truth", str(truth), labels=answers).stdout == (
        "No task has a known truth.\n"
    )
