"""Votes spread over real processes: they say what one process says, whatever the shards are and whoever dies."""

import logging
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from dask.distributed import Client, LocalCluster

from quality import aggregation, distributed, shards
from quality.aggregation import File, Unable
from quality.distributed import Crowd
from quality.methods.votes import TooLarge
from quality.shards import Sharded

_CLASSES = 3


@pytest.fixture(scope="module")
def cluster() -> Iterator[LocalCluster]:
    with LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address="127.0.0.1:0", silence_logs=logging.CRITICAL
    ) as local:
        yield local


@pytest.fixture(scope="module")
def client(cluster: LocalCluster) -> Iterator[Client]:
    with Client(cluster) as mine:
        yield mine


@pytest.fixture(scope="module")
def labels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """300 tasks with three to five votes of 40 people, some of whom are no good."""
    rng = np.random.default_rng(4)
    path, skills = tmp_path_factory.mktemp("labels") / "labels.csv", rng.uniform(0.4, 0.95, 40)
    rows = ["task,worker,label"]
    for task in range(300):
        truth = rng.integers(_CLASSES)
        for worker in rng.choice(40, size=rng.integers(3, 6), replace=False):
            label = truth if rng.random() < skills[worker] else rng.integers(_CLASSES)
            rows.append(f"task {task},worker {worker},{'abc'[label]}")
    path.write_text("\n".join([*rows, rows[1], ""]))
    return path


@pytest.fixture
def data(client: Client, labels: Path) -> tuple[Client, Path]:
    return client, labels


GOLD = {f"task {n}": "abc"[n % 3] for n in range(20)} | {"nobody's": "d"}


def spread(client: Client, labels: Path, folder: Path, *, n_shards: int, gold: dict[str, str]) -> Crowd:
    folder.mkdir()
    sharded = shards.write(
        labels, folder, n_shards=n_shards, gold=gold, check=lambda *_sizes: None, told=lambda _n: None
    )
    return Crowd(client, sharded, labels)


def alone(labels: Path, gold: dict[str, str]) -> File:
    return File(labels, gold=gold, families={}, told=lambda _n: None)


@pytest.mark.parametrize(
    ("method", "n_shards", "gold"),
    [("hierarchical", 1, {}), ("hierarchical", 2, GOLD), ("hierarchical", 7, GOLD), ("dawid-skene", 2, GOLD)],
    ids=["one shard", "two shards", "seven shards", "textbook"],
)
def test_shards_say_what_one_process_says(
    data: tuple[Client, Path], tmp_path: Path, method: str, n_shards: int, gold: dict[str, str]
) -> None:
    client, labels = data
    one, many = alone(labels, gold), spread(client, labels, tmp_path / "shards", n_shards=n_shards, gold=gold)
    expected, found = one.aggregate(method), many.aggregate(method)

    assert (many.said, many.n_bad, many.bad) == (one.said, one.n_bad, one.bad)
    assert found.said == expected.said
    believed = expected.found.posterior
    tasks, codes, confidence = zip(*shards.read_believed(where.believed for where in many._where), strict=True)
    assert list(tasks) == expected.coded.tasks
    assert list(codes) == believed.argmax(axis=1).tolist()
    assert list(confidence) == pytest.approx(believed.max(axis=1), abs=1e-9)
    assert list(found.consensus()) == list(expected.consensus())
    assert list(found.reliabilities()) == list(expected.reliabilities())


def test_a_truth_is_scored_where_the_tasks_are(client: Client, labels: Path, tmp_path: Path) -> None:
    truth = {f"task {n}": "abcx"[n % 4] for n in range(0, 300, 2)}
    expected = alone(labels, {}).aggregate("hierarchical").scored(truth)

    found = spread(client, labels, tmp_path / "shards", n_shards=3, gold={}).aggregate("hierarchical").scored(truth)

    assert expected is not None
    assert found is not None
    assert found.n_tasks == expected.n_tasks == 150
    assert found.accuracy == pytest.approx(expected.accuracy)
    assert found.log_loss == pytest.approx(expected.log_loss)
    assert found.calibration_error == pytest.approx(expected.calibration_error)


def test_a_worker_that_is_killed_in_the_middle_changes_nothing(client: Client, labels: Path, tmp_path: Path) -> None:
    crowd = spread(client, labels, tmp_path / "shards", n_shards=4, gold={})
    victim = next(iter(client.run(os.getpid).values()))

    def kill(number: int, _moved: float) -> None:
        if number == 3:
            os.kill(victim, signal.SIGKILL)

    found = crowd.aggregate("hierarchical", told=kill)

    assert list(found.consensus()) == list(alone(labels, {}).aggregate("hierarchical").consensus())
    assert victim not in client.run(os.getpid).values()


def test_a_file_is_spread_over_a_cluster_by_its_address(cluster: LocalCluster, labels: Path, tmp_path: Path) -> None:
    with distributed.spread(
        labels,
        "hierarchical",
        cluster=cluster.scheduler_address,
        scratch=tmp_path,
        gold={},
        told=lambda _n: None,
    ) as crowd:
        found = list(crowd.aggregate("hierarchical").consensus())
        assert len(list(tmp_path.iterdir())) == 1

    assert found == list(alone(labels, {}).aggregate("hierarchical").consensus())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("method", "where", "why"),
    [
        ("hierarchical", "nonsense://x", "No Dask scheduler answers at nonsense://x."),
        ("one-coin", "2", "one-coin does not run on Dask; hierarchical and dawid-skene do."),
    ],
)
def test_what_cannot_be_done_is_told_in_a_sentence(
    labels: Path, tmp_path: Path, method: str, where: str, why: str
) -> None:
    with (
        pytest.raises(Unable, match=why),
        distributed.spread(labels, method, cluster=where, scratch=tmp_path, gold={}, told=lambda _n: None),
    ):
        pass


def test_workers_that_do_not_see_the_folder_are_told_of(client: Client, tmp_path: Path) -> None:
    unseen = Sharded([tmp_path / "gone" / "votes.parquet"], ["w"], ["x"], np.array([0]), [], 0)

    with pytest.raises(Unable, match=f"Workers do not see {tmp_path}; --scratch names a folder that they all see"):
        Crowd(client, unseen, tmp_path / "labels.csv")


def test_a_folder_that_cannot_be_written_is_told_of(cluster: LocalCluster, labels: Path, tmp_path: Path) -> None:
    with (
        pytest.raises(Unable, match="cannot be written: No such file or directory"),
        distributed.spread(
            labels,
            "hierarchical",
            cluster=cluster.scheduler_address,
            scratch=tmp_path / "nowhere",
            gold={},
            told=lambda _n: None,
        ),
    ):
        pass


def test_too_many_classes_are_refused_before_anything_is_fitted(cluster: LocalCluster, tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_text("task,worker,label\n" + "".join(f"t{n},w{n % 100},free text {n}\n" for n in range(20_000)))

    with (
        pytest.raises(TooLarge, match="Is the column of labels the right one"),
        distributed.spread(
            path,
            "hierarchical",
            cluster=cluster.scheduler_address,
            scratch=tmp_path,
            gold={},
            told=lambda _n: None,
        ),
    ):
        pass


def test_spread_methods_are_methods() -> None:
    assert set(distributed.METHODS) <= set(aggregation.METHODS)
