"""Votes in Parquet files, a share of the tasks in each, for those who have more of them than they have memory.

The file of votes is read once and line by line. Names of workers and of classes are held meanwhile; those of tasks go
to the files with their votes. pyarrow is an optional extra: nothing here is imported unless it is asked for.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from heapq import merge
from operator import itemgetter
from pathlib import Path
from zlib import crc32

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from quality import labelled
from quality.labelled import TOLD_EVERY, Bad, Names, Told
from quality.methods.votes import UNKNOWN, FloatArray, IntArray, Votes

# More bad lines than anybody reads are only counted.
BAD_KEPT = 100
_ROWS_AT_ONCE = 16_384
_VOTES = pa.schema([("line", pa.int64()), ("task", pa.string()), ("voter", pa.int32()), ("label", pa.int32())])
_READ = pa.schema([("line", pa.int64()), ("task", pa.string()), ("label", pa.int32()), ("confidence", pa.float64())])


@dataclass(frozen=True, slots=True)
class Sharded:
    """Files of votes, and the names that codes in them stand for: of voters as they came, of classes sorted.

    rank : the sorted place of each code of a class in the files. n_bad : bad lines, of which the first are kept.
    """

    paths: list[Path]
    voters: list[str]
    classes: list[str]
    rank: IntArray
    bad: list[Bad]
    n_bad: int


@dataclass(frozen=True, slots=True)
class Shard:
    """A share of the tasks. known : (n_tasks,), labels that are certain, else UNKNOWN. names and lines : of each task,
    the line being its first. repeated : lines of votes by a worker who has voted on the task before; they do not count.
    """

    votes: Votes
    known: IntArray
    names: list[str]
    lines: IntArray
    repeated: IntArray


@dataclass(slots=True)
class _Rows:
    """Lines that wait to be written."""

    lines: list[int] = field(default_factory=list)
    tasks: list[str] = field(default_factory=list)
    voters: list[int] = field(default_factory=list)
    labels: list[int] = field(default_factory=list)

    def add(self, line: int, task: str, voter: int, label: int) -> None:
        self.lines.append(line)
        self.tasks.append(task)
        self.voters.append(voter)
        self.labels.append(label)

    def flush(self, writers: Sequence[pq.ParquetWriter]) -> None:
        """Write each task's lines to the file that its name chooses."""
        shards = np.array([crc32(task.encode()) % len(writers) for task in self.tasks], dtype=np.int64)
        rows = pa.table([self.lines, self.tasks, self.voters, self.labels], schema=_VOTES)
        for number, writer in enumerate(writers):
            mine = np.flatnonzero(shards == number)
            if mine.size:
                writer.write_table(rows.take(mine))
        self.lines, self.tasks, self.voters, self.labels = [], [], [], []


def write(
    path: Path, folder: Path, *, n_shards: int, gold: Mapping[str, str], check: Callable[[int, int], None], told: Told
) -> Sharded:
    """The votes of a file of task,worker,label as so many files in a folder, and gold among them.

    check : is called now and then with the numbers of voters and of classes, and may raise if they are too many.
    """
    voters, classes, rows = Names(), Names(), _Rows()
    bad, n_bad, n_taken, line = [], 0, 0, 0
    paths = [folder / f"votes-{number:05}.parquet" for number in range(n_shards)]
    writers = [pq.ParquetWriter(one, _VOTES) for one in paths]
    try:
        for line, row, why in labelled.lines(path, ("task", "worker", "label")):
            if why:
                bad += [Bad(path, line, why)] if n_bad < BAD_KEPT else []
                n_bad += 1
                continue
            rows.add(line, row[0], voters.code(row[1]), classes.code(row[2]))
            if len(rows.lines) == TOLD_EVERY:
                n_taken += TOLD_EVERY
                told(n_taken)
                check(len(voters.codes), len(classes.codes))
                rows.flush(writers)
        for number, (task, label) in enumerate(gold.items(), start=line + 1):
            rows.add(number, task, UNKNOWN, classes.code(label))
        rows.flush(writers)
    finally:
        for writer in writers:
            writer.close()
    return Sharded(paths, list(voters.codes), sorted(classes.codes), classes.rank(), bad, n_bad)


def read(path: Path, *, rank: IntArray, n_voters: int) -> Shard:
    """One file's votes. The first of a voter for a task stands; a line without a voter tells a known label."""
    table = pq.read_table(path, read_dictionary=["task"])
    lines, voters, labels = (table[name].to_numpy() for name in ("line", "voter", "label"))
    tasks = table["task"].unify_dictionaries().combine_chunks()
    codes, labels = tasks.indices.to_numpy().astype(np.int64), rank[labels]
    names, firsts = tasks.dictionary.to_pylist(), np.unique(codes, return_index=True)[1]
    voted = voters != UNKNOWN
    known = np.full(len(names), UNKNOWN)
    known[codes[~voted]] = labels[~voted]
    at = np.flatnonzero(voted)
    kept, repeated = labelled.first_of_each(codes[at], voters[at].astype(np.int64))
    its = at[kept]
    votes = Votes(codes[its], voters[its].astype(np.int64), labels[its], len(names), n_voters, rank.size)
    return Shard(votes, known, names, lines[firsts], lines[at[repeated]])


def write_believed(path: Path, shard: Shard, believed: FloatArray) -> None:
    """Label and confidence of each task of a shard in the order of their lines; believed : (n_tasks, n_classes)."""
    order = np.argsort(shard.lines)
    columns = [
        shard.lines[order],
        [shard.names[at] for at in order],
        believed.argmax(axis=1)[order].astype(np.int32),
        believed.max(axis=1)[order],
    ]
    pq.write_table(pa.table(columns, schema=_READ), path, row_group_size=_ROWS_AT_ONCE)


def read_believed(paths: Iterable[Path]) -> Iterator[tuple[str, int, float]]:
    """Task, label and confidence out of all files, in the order in which tasks came."""
    for _, task, label, confidence in merge(*map(_rows, paths), key=itemgetter(0)):
        yield task, label, confidence


def _rows(path: Path) -> Iterator[tuple[int, str, int, float]]:
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(batch_size=_ROWS_AT_ONCE):
            yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)
