"""Votes in Parquet files: nothing is lost on the way, and tasks come out in the order in which they came."""

from pathlib import Path

import numpy as np
import pytest

from quality import shards
from quality.methods.votes import UNKNOWN
from quality.shards import Shard, Sharded


def lay_out(folder: Path, *lines: str, n_shards: int = 3, gold: dict[str, str] | None = None) -> Sharded:
    labels = folder / "labels.csv"
    labels.write_text("\n".join(["task,worker,label", *lines, ""]))
    return shards.write(
        labels, folder, n_shards=n_shards, gold=gold or {}, check=lambda *_sizes: None, told=lambda _n: None
    )


def read_all(sharded: Sharded) -> list[Shard]:
    return [shards.read(path, rank=sharded.rank, n_voters=len(sharded.voters)) for path in sharded.paths]


@pytest.mark.parametrize("n_shards", [1, 2, 5])
def test_every_vote_is_in_one_shard_with_its_task(tmp_path: Path, n_shards: int) -> None:
    votes = {(f"t{n % 7}", f"w{n % 5}", f"c{n % 3}") for n in range(35)}

    sharded = lay_out(tmp_path, *[",".join(vote) for vote in sorted(votes)], n_shards=n_shards)
    read = read_all(sharded)

    found = [
        (shard.names[task], sharded.voters[voter], sharded.classes[label])
        for shard in read
        for task, voter, label in zip(shard.votes.tasks, shard.votes.voters, shard.votes.labels, strict=True)
    ]
    assert sorted(found) == sorted(votes)
    assert sorted(name for shard in read for name in shard.names) == [f"t{n}" for n in range(7)]


def test_the_first_label_of_a_worker_for_a_task_stands(tmp_path: Path) -> None:
    (shard,) = read_all(lay_out(tmp_path, "t,w,y", "t,v,x", "t,w,x", "t,w,y", n_shards=1))

    assert shard.votes.labels.tolist() == [1, 0]
    assert shard.repeated.tolist() == [4, 5]


def test_gold_says_what_tasks_are_also_of_those_nobody_voted_on(tmp_path: Path) -> None:
    sharded = lay_out(tmp_path, "t,w,y", "u,w,y", n_shards=1, gold={"u": "z", "elsewhere": "a"})

    (shard,) = read_all(sharded)

    known = dict(zip(shard.names, shard.known.tolist(), strict=True))
    assert sharded.classes == ["a", "y", "z"]
    assert known == {"t": UNKNOWN, "u": 2, "elsewhere": 0}
    assert shard.votes.size == 2


def test_bad_lines_are_counted_and_the_first_are_kept(tmp_path: Path) -> None:
    sharded = lay_out(tmp_path, "t,w,x", *["t,,x"] * 150)

    assert sharded.n_bad == 150
    assert [bad.line for bad in sharded.bad] == list(range(3, 103))


def test_tasks_come_out_in_the_order_of_the_file(tmp_path: Path) -> None:
    names = [f"task {n * 37 % 101}" for n in range(101)]
    sharded = lay_out(tmp_path, *[f"{name},w,x" for name in names], *[f"{name},v,y" for name in reversed(names)])
    read, paths = read_all(sharded), [tmp_path / f"{number}.parquet" for number in range(3)]

    for shard, path in zip(read, paths, strict=True):
        shards.write_believed(path, shard, np.tile([0.25, 0.75], (len(shard.names), 1)))

    assert list(shards.read_believed(paths)) == [(name, 1, 0.75) for name in names]
