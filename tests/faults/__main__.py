"""`make faults`: besiege planted bugs, which must be caught, and the product, which must lose nothing.

python -m tests.faults --only payouts --minutes 10
"""

import argparse
import ctypes
import math
import random
import secrets
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from foundation import logs, processes
from tests.faults import faults, planted
from tests.faults.faults import ALL, Fault
from tests.faults.siege import Outcome, Pause, Plan, besiege

_CLONE_NEWNS = 0x20000
_DISK_SIZE = "400m"
# The checks after each fault read all that a siege has made: better a few sieges than an endless one.
_KILLS_A_SIEGE = 100
_KILLS_A_MIGRATION = 30


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**6), help="which faults, when")
    parser.add_argument("--kills", type=int, default=22, help="at least so many processes killed")
    parser.add_argument("--writes", type=int, default=10_000, help="at least so many acknowledged writes")
    parser.add_argument("--hours", type=float, help="go on with the next seed until so many hours are over")
    parser.add_argument("--minutes", type=float, help="so long people are paid under fire; else once for each fault")
    parser.add_argument("--only", help=f"faults, comma-separated, `payouts` or `planted`; of: {', '.join(ALL)}")
    wanted = parser.parse_args()
    only = set(wanted.only.split(",")) if wanted.only else {*ALL, "payouts", "planted"}
    if unknown := only - {*ALL, "payouts", "planted"}:
        parser.error(f"there is no fault called {', '.join(unknown)}")
    logs.configure("info")
    processes.raise_interrupt_on_terminate()
    has_mounts = _own_mounts()
    end = time.monotonic() + 3600 * (wanted.hours or 0)
    total, caught, seed = Outcome(), True, wanted.seed
    while True:
        print(f"seed {seed}", flush=True)
        if "planted" in only:
            caught &= _catch_planted(seed)
        rng = random.Random(seed)
        plans = (*_plans(only, rng, kills=wanted.kills, writes=wanted.writes), *_payouts(only, rng, wanted.minutes))
        for name, plan in plans:
            if plan.faults == faults.DISK and not has_mounts:
                print("disk full: left out, since mounting needs root and a kernel that lets it have its own mounts")
                continue
            total.add(_run(name, plan, seed))
        seed += 1
        if time.monotonic() >= end:
            break
    _report(total)
    enough = wanted.only is not None or (total.kills >= wanted.kills and total.writes >= wanted.writes)
    print("sound" if total.is_sound and enough and caught else "NOT SOUND")
    return 0 if total.is_sound and enough and caught else 1


def _catch_planted(seed: int) -> bool:
    """Whether every planted bug comes to light."""
    caught = True
    for bug in planted.BUGS:
        with tempfile.TemporaryDirectory(prefix="rookery-planted-") as folder:
            build = planted.build(bug, Path(folder) / "build")
            made = [ALL[name] for name in bug.faults]
            plan = Plan(made, bug.writes, build, late_share=bug.late_share, pays=bug.pays, shows=bug.shows)
            outcome = _besieged(Path(folder), plan, seed)
        found: list[str] = getattr(outcome.wrong, bug.shows)
        print(f"{bug.name}: {f'caught, {bug.shows} {len(found)}' if found else 'NOT CAUGHT'}", flush=True)
        caught &= bool(found)
    return caught


def _plans(only: set[str], rng: random.Random, *, kills: int, writes: int) -> Iterator[tuple[str, Plan]]:
    """The sieges of one run: at home, on a wire and on a small disk."""
    n_sieges = max(1, math.ceil(kills / _KILLS_A_SIEGE))
    each = math.ceil(kills / n_sieges)
    for number in range(n_sieges):
        # A migration takes longer than all others to be killed.
        migrations = _chosen(faults.MIGRATIONS, only) * max(1, each // _KILLS_A_MIGRATION)
        kills_left = _round_and_round(_chosen(faults.KILLS, only), each - len(migrations), rng)
        made = [*migrations, *kills_left, *_chosen(faults.OTHERS, only)]
        rng.shuffle(made)
        if made:
            yield f"siege {number + 1} of {n_sieges}", Plan(made, writes // n_sieges)
    if wired := _chosen(faults.WIRED, only):
        yield "on a wire", Plan(wired, 500, wired=True)
    if disk := _chosen(faults.DISK, only):
        yield "on a small disk", Plan(disk, 500)


def _payouts(only: set[str], rng: random.Random, minutes: float | None) -> Iterator[tuple[str, Plan]]:
    """The siege in which people are paid: every moment of a run, and with `minutes` all that can be made at home."""
    made = list(faults.PAYOUTS if "payouts" in only else _chosen(faults.PAYOUTS, only))
    seconds = None if minutes is None else 60 * minutes
    if seconds is not None and made:
        n_faults = math.ceil(seconds)
        made = _round_and_round([*made, *faults.KILLS, *faults.OTHERS], n_faults, rng)
    rng.shuffle(made)
    if made:
        yield "payouts", Plan(made, 0, pays=True, seconds=seconds)


def _chosen(table: Sequence[Fault], only: set[str]) -> tuple[Fault, ...]:
    return tuple(fault for fault in table if fault.name in only)


def _round_and_round(table: Sequence[Fault], n: int, rng: random.Random) -> list[Fault]:
    """So many faults, every kind about equally often."""
    made: list[Fault] = []
    while table and len(made) < n:
        made += rng.sample(table, len(table))
    return made[:n]


def _run(name: str, plan: Plan, seed: int) -> Outcome:
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="rookery-siege-") as folder:
        if plan.faults == faults.DISK:
            with _small_disk(Path(folder) / "data"):
                outcome = _besieged(Path(folder), plan, seed)
        else:
            outcome = _besieged(Path(folder), plan, seed)
        if not outcome.is_sound:
            print((Path(folder) / "house.log").read_text(errors="replace")[-5000:])
    said = "sound" if outcome.is_sound else "NOT SOUND"
    print(
        f"{name}: {said}, {outcome.faults} faults, {outcome.writes} writes, {time.monotonic() - started:.0f} s",
        flush=True,
    )
    for complaint in [*outcome.wrong.complaints(), *outcome.complaints[:10]]:
        print(f"  {complaint}", flush=True)
    return outcome


def _besieged(folder: Path, plan: Plan, seed: int) -> Outcome:
    return besiege(folder, plan, random.Random(seed))


# A disk that can be filled


def _own_mounts() -> bool:
    """Give this process mounts of its own, which end with it; whether that is allowed here."""
    if sys.platform != "linux" or ctypes.CDLL(None).unshare(_CLONE_NEWNS) != 0:
        return False
    return subprocess.run(["mount", "--make-rprivate", "/"], check=False, capture_output=True).returncode == 0


@contextmanager
def _small_disk(folder: Path) -> Iterator[None]:
    folder.mkdir(parents=True)
    options = f"size={_DISK_SIZE},mode=711"
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "rookery-siege", str(folder)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


# The report


def _report(total: Outcome) -> None:
    print("\nseconds until work went on, median and worst, by what went on")
    print(f"{'fault':24} {'times':>5}  {'bar':>4}  {'answered':>13}{'delivered':>13}{'swept':>13}{'whole':>13}")
    for name, pauses in sorted(total.pauses.items()):
        columns = [_two([getattr(pause, what) for pause in pauses]) for what in Pause.__slots__]
        print(f"{name:24} {len(pauses):5}  {ALL[name.removesuffix(', over')].bar:4.0f}  {''.join(columns)}")
    print("\nseconds a request took while the fault lasted, median and worst")
    for name, waits in sorted(total.waits.items()):
        print(f"{name:31} {len(waits):5}  {_two(waits)}")
    print("\ncounted")
    for name, number in sorted(total.counts.items()):
        print(f"{name:46} {number:7}")
    wrong = total.wrong
    print(f"\nkills {total.kills}, acknowledged writes {total.writes}, requests sent twice {total.counts['replays']}")
    print(
        f"lost {len(wrong.lost)}, doubled {len(wrong.doubled)}, unpaid {len(wrong.unpaid)}, broken {len(wrong.broken)}"
    )
    for complaint in [*wrong.complaints(), *total.complaints[:30]]:
        print(f"  {complaint}")


def _two(seconds: list[float]) -> str:
    return f"{statistics.median(seconds):6.1f} {max(seconds):6.1f}"


if __name__ == "__main__":
    sys.exit(main())
