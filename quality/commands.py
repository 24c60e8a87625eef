"""`rookery aggregate`: labels in a CSV file to consensus and reliabilities, without a server. Thin like the views."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import click

from quality import aggregation, answered, labelled
from quality.aggregation import FAMILIAR, METHODS, Source, Unable
from quality.kinds import KINDS, Kind
from quality.labelled import Bad, Unreadable
from quality.methods import scores
from quality.methods.votes import TooLarge
from quality.structured.answers import LARGEST

_BAD_SHOWN = 10
_PASSES_TOLD = 20
_CLASS = "class"
# Any number of them is a number.
_TOLERANCE_MIN = 1e-50
_FILE = click.Path(dir_okay=False, path_type=Path)
_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
_INPUT = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command("aggregate")
@click.argument("labels", type=_INPUT)
@click.option("--gold", type=_INPUT, help="Known labels, best a random sample: task,label.")
@click.option("--truth", type=_INPUT, help="What is true, to see how right the result is: task,label.")
@click.option(
    "--families", type=_INPUT, help="Who is not of the crowd: worker,family; `expert`, or what models made alike are."
)
@click.option(
    "--kind",
    type=click.Choice([_CLASS, *KINDS]),
    default=_CLASS,
    show_default=True,
    help="What answers are. All but classes stand in a column `answer` instead of `label`, as JSON or as they are.",
)
@click.option("--tolerance", type=float, help="With --kind number, points or lines: how far apart two nearly agree.")
@click.option("--method", type=click.Choice(list(METHODS)), default="hierarchical", show_default=True)
@click.option("--out", type=_FILE, required=True, help="Writes task,label,confidence.")
@click.option("--workers", type=_FILE, help="Writes worker,reliability,low,high,answers; nine in ten intervals cover.")
@click.option("--bad-lines", type=click.Choice(["refuse", "skip"]), default="refuse", show_default=True)
@click.option("--overwrite", is_flag=True, help="Replace files that exist.")
@click.option("--dask", metavar="ADDRESS|N", help="Run on a Dask scheduler's workers, or on so many processes here.")
@click.option("--scratch", type=_FOLDER, help="With --dask: a folder that all workers see. Left out: that of --out.")
def aggregate(
    labels: Path,
    *,
    gold: Path | None,
    truth: Path | None,
    families: Path | None,
    kind: str,
    tolerance: float | None,
    method: str,
    out: Path,
    workers: Path | None,
    bad_lines: str,
    overwrite: bool,
    dask: str | None,
    scratch: Path | None,
) -> None:
    """Weigh the votes in LABELS (task,worker,label) and write what they say of each task. `.gz` is read and written."""
    _check_kind(kind, method, tolerance, apart=bool(families or dask))
    if kind != _CLASS:
        _merge(
            labels, KINDS[kind], gold=gold, truth=truth, out=out, workers=workers, tolerance=tolerance,
            bad_lines=bad_lines, overwrite=overwrite,
        )  # fmt: skip
        return
    if families and (method not in FAMILIAR or dask):
        raise click.UsageError(f"--families is for one process and methods that know experts: {', '.join(FAMILIAR)}.")
    try:
        known, wrong = labelled.read_labels(gold) if gold else ({}, [])
        true, wrong_truths = labelled.read_labels(truth) if truth else ({}, [])
        apart, wrong_families = labelled.read_labels(families, ("worker", "family")) if families else ({}, [])
        wrong += wrong_truths + wrong_families
        with _crowd(labels, method, gold=known, families=apart, dask=dask, scratch=scratch or out.parent) as crowd:
            _report_bad([*crowd.bad, *wrong], crowd.n_bad + len(wrong), bad_lines)
            if crowd.n_votes == 0:
                raise Unreadable(f"{labels} has no vote in it.")
            click.echo(crowd.said, err=True)
            found = crowd.aggregate(method, told=_told)
            labelled.write(out, ("task", "label", "confidence"), found.consensus(), overwrite=overwrite)
            if workers:
                header = ("worker", "reliability", "low", "high", "answers")
                labelled.write(workers, header, found.reliabilities(), overwrite=overwrite)
            click.echo(found.said, err=True)
            if truth:
                _tell_scores(found.scored(true))
    except (Unreadable, TooLarge, Unable) as error:
        raise click.ClickException(str(error)) from error


def _check_kind(kind: str, method: str, tolerance: float | None, *, apart: bool) -> None:
    if kind != _CLASS and method != "hierarchical":
        raise click.UsageError("--method is for classes; every other kind has one of its own.")
    if kind != _CLASS and apart:
        raise click.UsageError("--families and --dask are for classes.")
    if tolerance is not None and (kind == _CLASS or KINDS[kind].tolerance is None):
        raise click.UsageError("--tolerance is for --kind number, points and lines.")
    if tolerance is not None and not _TOLERANCE_MIN <= tolerance <= LARGEST:
        raise click.UsageError("--tolerance must lie between 1e-50 and 1e100.")


def _merge(
    labels: Path,
    kind: Kind,
    *,
    gold: Path | None,
    truth: Path | None,
    out: Path,
    workers: Path | None,
    tolerance: float | None,
    bad_lines: str,
    overwrite: bool,
) -> None:
    """The same for answers that are no classes."""
    try:
        known, wrong = answered.read_known(gold, kind) if gold else ({}, [])
        true, wrong_truths = answered.read_known(truth, kind) if truth else ({}, [])
        coded = answered.read_answers(labels, kind, tasks=known, told=_told_lines)
        bad = [*coded.bad, *wrong, *wrong_truths]
        _report_bad(bad, len(bad), bad_lines)
        if coded.answers.size == 0:
            raise Unreadable(f"{labels} has no answer in it.")
        click.echo(coded.said, err=True)
        found = answered.aggregate(coded, gold=known, tolerance=tolerance)
        header: tuple[str, ...] = ("task", "answer", "confidence", "agreement", "answers")
        labelled.write(out, header, found.consensus(), overwrite=overwrite)
        if workers:
            header = ("worker", "reliability", "agreement", "answers")
            labelled.write(workers, header, found.reliabilities(), overwrite=overwrite)
    except (Unreadable, TooLarge) as error:
        raise click.ClickException(str(error)) from error
    click.echo(found.said, err=True)
    if truth:
        _tell_agreement(found.scored(true), kind)


def _tell_agreement(found: answered.Scores | None, kind: Kind) -> None:
    if found is None:
        click.echo("No task has a known truth.")
        return
    click.echo(
        f"agreement {found.agreement:.4f} with the truth of {found.n_tasks:,} tasks ({kind.measure}), "
        f"foretold {found.confidence:.4f}"
    )


@contextmanager
def _crowd(
    labels: Path, method: str, *, gold: Mapping[str, str], families: Mapping[str, str], dask: str | None, scratch: Path
) -> Iterator[Source]:
    """Votes with gold among them, here or spread over a cluster."""
    if dask is None:
        yield aggregation.File(labels, gold=gold, families=families, told=_told_lines)
        return
    try:
        from quality import distributed  # noqa: PLC0415 - an optional extra, and slow to import
    except ModuleNotFoundError as error:
        raise Unable('--dask needs more packages: pip install "rookery[dask]" brings them.') from error
    with distributed.spread(labels, method, cluster=dask, scratch=scratch, gold=gold, told=_told_lines) as crowd:
        yield crowd


def _told_lines(number: int) -> None:
    click.echo(f"{number:,} lines read", err=True)


def _told(number: int, moved: float) -> None:
    if number % _PASSES_TOLD == 0:
        click.echo(f"pass {number}: the largest move was {moved:.1e}", err=True)


def _report_bad(bad: Sequence[Bad], n_bad: int, bad_lines: str) -> None:
    for one in bad[:_BAD_SHOWN]:
        click.echo(str(one), err=True)
    if n_bad > _BAD_SHOWN:
        click.echo(f"... and {n_bad - _BAD_SHOWN:,} more", err=True)
    if n_bad and bad_lines == "refuse":
        raise Unreadable(f"{n_bad:,} bad lines; mend them, or pass --bad-lines skip.")


def _tell_scores(found: scores.Scores | None) -> None:
    if found is None:
        click.echo("No task has a known truth.")
        return
    click.echo(
        f"right {found.accuracy:.4f} of {found.n_tasks:,} tasks, log loss {found.log_loss:.4f}, "
        f"calibration error {found.calibration_error:.4f}"
    )
