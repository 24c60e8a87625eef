"""`rookery aggregate`: labels in a CSV file to consensus and reliabilities, without a server. Thin like the views."""

from collections.abc import Sequence
from pathlib import Path

import click

from quality import aggregation, labelled
from quality.aggregation import FAMILIAR, METHODS, TooLarge
from quality.labelled import Bad, Unreadable
from quality.methods import scores

_BAD_SHOWN = 10
_PASSES_TOLD = 20
_FILE = click.Path(dir_okay=False, path_type=Path)
_INPUT = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command("aggregate")
@click.argument("labels", type=_INPUT)
@click.option("--gold", type=_INPUT, help="Known labels, best a random sample: task,label.")
@click.option("--truth", type=_INPUT, help="What is true, to see how right the result is: task,label.")
@click.option(
    "--families", type=_INPUT, help="Who is not of the crowd: worker,family; `expert`, or what models made alike are."
)
@click.option("--method", type=click.Choice(list(METHODS)), default="hierarchical", show_default=True)
@click.option("--out", type=_FILE, required=True, help="Writes task,label,confidence.")
@click.option("--workers", type=_FILE, help="Writes worker,reliability,low,high,answers; nine in ten intervals cover.")
@click.option("--bad-lines", type=click.Choice(["refuse", "skip"]), default="refuse", show_default=True)
@click.option("--overwrite", is_flag=True, help="Replace files that exist.")
def aggregate(
    labels: Path,
    *,
    gold: Path | None,
    truth: Path | None,
    families: Path | None,
    method: str,
    out: Path,
    workers: Path | None,
    bad_lines: str,
    overwrite: bool,
) -> None:
    """Weigh the votes in LABELS (task,worker,label) and write what they say of each task. `.gz` is read and written."""
    if families and method not in FAMILIAR:
        raise click.UsageError(f"--families is for the methods that know experts: {', '.join(FAMILIAR)}.")
    try:
        known, wrong = labelled.read_labels(gold) if gold else ({}, [])
        true, wrong_truths = labelled.read_labels(truth) if truth else ({}, [])
        apart, wrong_families = labelled.read_labels(families, ("worker", "family")) if families else ({}, [])
        coded = labelled.read_votes(
            labels, classes=known.values(), tasks=known, told=lambda n: click.echo(f"{n:,} lines read", err=True)
        )
        _report_bad([*coded.bad, *wrong, *wrong_truths, *wrong_families], refuse=bad_lines == "refuse")
        if coded.votes.size == 0:
            raise Unreadable(f"{labels} has no vote in it.")
        votes = coded.votes
        click.echo(
            f"{votes.size:,} votes of {votes.n_voters:,} workers on {votes.n_tasks:,} tasks, {votes.n_classes} classes",
            err=True,
        )
        found = aggregation.aggregate(coded, method, gold=known, families=apart, told=_told)
        labelled.write(out, ("task", "label", "confidence"), found.consensus(), overwrite=overwrite)
        if workers:
            header = ("worker", "reliability", "low", "high", "answers")
            labelled.write(workers, header, found.reliabilities(), overwrite=overwrite)
    except (Unreadable, TooLarge) as error:
        raise click.ClickException(str(error)) from error
    click.echo(found.said, err=True)
    if truth:
        _tell_scores(found.scored(true))


def _told(number: int, moved: float) -> None:
    if number % _PASSES_TOLD == 0:
        click.echo(f"pass {number}: the largest move was {moved:.1e}", err=True)


def _report_bad(bad: Sequence[Bad], *, refuse: bool) -> None:
    for one in bad[:_BAD_SHOWN]:
        click.echo(str(one), err=True)
    if len(bad) > _BAD_SHOWN:
        click.echo(f"... and {len(bad) - _BAD_SHOWN:,} more", err=True)
    if bad and refuse:
        raise Unreadable(f"{len(bad):,} bad lines; mend them, or pass --bad-lines skip.")


def _tell_scores(found: scores.Scores | None) -> None:
    if found is None:
        click.echo("No task has a known truth.")
        return
    click.echo(
        f"right {found.accuracy:.4f} of {found.n_tasks:,} tasks, log loss {found.log_loss:.4f}, "
        f"calibration error {found.calibration_error:.4f}"
    )
