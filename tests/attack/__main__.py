"""`make attack`: the corpus of bad input on every route of a real house, then schemathesis; and what they found."""

import argparse
import secrets
import socket
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from foundation import db, serving, settings
from foundation.processes import Supervisor
from tests.attack import assault, fuzzing, verdict
from tests.attack.cells import NO_LIMITS, ROUTES

_LINES, _LINE = 40, 300


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**6), help="the first of schemathesis' seeds")
    parser.add_argument("--seeds", type=int, default=3, help="how many seeds; with 0 the corpus alone")
    parser.add_argument("--cases", type=int, default=300, help="cases for each operation and seed")
    wanted = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="rookery-attack-"))
    print(f"seed {wanted.seed}; logs in {folder}", flush=True)
    seeds = range(wanted.seed, wanted.seed + wanted.seeds)
    with _house(folder / "data") as (address, sessions, supervisor):
        passed = _assault(address, sessions, supervisor, folder / "corpus.log")
        if seeds:
            with sessions() as opened:
                people = fuzzing.cast(opened)
                opened.commit()
            passed &= _fuzz(address, people, seeds, wanted.cases, folder)
    print("passed" if passed else "NOT PASSED", flush=True)
    return 0 if passed else 1


@contextmanager
def _house(data_dir: Path) -> Iterator[tuple[tuple[str, int], assault.Sessions, Supervisor]]:
    """A house of our own whose limits nobody reaches."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    configured = replace(
        settings.read(), database_url=None, redis_url=None, data_dir=data_dir, port=port, limits=NO_LIMITS
    )
    with serving.serving(configured, quiet=True) as (_, supervisor, installation):
        engine = db.make_engine(installation.database_url, patient=True, pool_size=2)
        try:
            yield (
                (configured.host, port),
                db.sessions(engine, destination_keys=installation.destination_keys),
                supervisor,
            )
        finally:
            engine.dispose()


def _assault(address: tuple[str, int], sessions: assault.Sessions, supervisor: Supervisor, log: Path) -> bool:
    began = time.monotonic()
    found = assault.assault(address, sessions, supervisor)
    grown = found.growth / 1024 / 1024
    print(f"the corpus on {len(ROUTES)} routes, in {time.monotonic() - began:.0f} s")
    print(f"  answers {found.answers}, wrong {len(found.wrong)}, 5xx {found.failures}")
    print(
        f"  ms: median {found.percentile(0.5) * 1000:.1f}, p99 {found.percentile(0.99) * 1000:.1f}, "
        f"worst {found.percentile(1) * 1000:.0f}; over {assault.SECONDS_MAX:.0f} s: {len(found.slow)}"
    )
    print(f"  memory of a web process grew by {grown:.1f} MB; largest error {found.largest_error} bytes")
    log.write_text("\n".join([*found.wrong, *found.slow]))
    for line in [*found.wrong, *found.slow][:_LINES]:
        print(f"  {line[:_LINE]}")
    sys.stdout.flush()
    small = found.growth <= assault.GROWTH_MAX and found.largest_error <= verdict.ERROR_BYTES_MAX
    return not (found.wrong or found.failures or found.slow) and small


def _fuzz(address: tuple[str, int], people: fuzzing.Cast, seeds: range, cases: int, folder: Path) -> bool:
    began = time.monotonic()
    found = fuzzing.fuzz(f"http://{address[0]}:{address[1]}", people, seeds=seeds, cases=cases, folder=folder)
    print(f"schemathesis, all checks, seeds {', '.join(map(str, seeds))}, in {time.monotonic() - began:.0f} s")
    print(f"  operations {found.operations}, cases {found.cases}, failures {len(found.failures)}")
    for reason, times in found.accepted.most_common():
        print(f"  accepted {times} times: {reason}")
    for line in found.failures[:_LINES]:
        print(f"  {line[:_LINE]}")
    sys.stdout.flush()
    return not found.failures and found.operations == len(ROUTES)


if __name__ == "__main__":
    sys.exit(main())
