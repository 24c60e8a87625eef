"""`make faults`: besiege a planted bug, which must be caught, then the product, which must lose and double nothing."""

import argparse
import random
import secrets
import sys
import tempfile
from pathlib import Path

from tests.faults import siege
from tests.faults.siege import Outcome, Plan


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**6), help="which faults, when")
    parser.add_argument("--kills", type=int, default=24, help="at least so many faults")
    parser.add_argument("--answers", type=int, default=5_000, help="at least so many acknowledged answers")
    wanted = parser.parse_args()
    print(f"seed {wanted.seed}", flush=True)
    planted = _besiege(Plan("tests.faults.early:app", wanted.seed, kills=6, answers=400, faults=("web",)))
    caught = bool(planted.lost or planted.vanished)
    _tell("a build that acknowledges before it commits", planted)
    print(f"  {'caught' if caught else 'NOT CAUGHT'}\n", flush=True)
    product = _besiege(Plan("wsgi:app", wanted.seed, kills=wanted.kills, answers=wanted.answers))
    _tell("Rookery", product)
    enough = sum(product.faults.values()) >= wanted.kills and product.acknowledged >= wanted.answers
    print(f"  {'sound' if product.is_sound and enough else 'NOT SOUND'} under seed {wanted.seed}", flush=True)
    return 0 if caught and product.is_sound and enough else 1


def _besiege(plan: Plan) -> Outcome:
    with tempfile.TemporaryDirectory(prefix="rookery-faults-") as folder:
        return siege.besiege(Path(folder) / "data", plan, random.Random(plan.seed))


def _tell(name: str, outcome: Outcome) -> None:
    faults = ", ".join(f"{fault} {count}" for fault, count in sorted(outcome.faults.items()))
    print(f"{name}\n  {sum(outcome.faults.values())} faults: {faults}")
    print(f"  acknowledged answers {outcome.acknowledged}, lost {len(outcome.lost)}, paid twice {len(outcome.doubled)}")
    print(f"  acknowledged claims lost {len(outcome.vanished)}, not paid once {len(outcome.unpaid)}")
    print(f"  seconds until work went on: median {outcome.pause_median:.1f}, worst {outcome.pause_worst:.1f}")
    for line in [*outcome.broken, *outcome.failures[:5]]:
        print(f"  {line}")


if __name__ == "__main__":
    sys.exit(main())
