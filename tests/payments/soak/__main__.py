"""`make soak OPERATIONS=1000000`: the books over very many operations, of which each is committed.

One in fifty is an event of any kind, by four people at once in one house, while all that must hold at every moment is
read. The others are done one after another, beside a model that knows each sum. In both time passes by leaps, and at
the end all entries are added up again from zero.
"""

import argparse
import sys
import tempfile
from pathlib import Path

from foundation import embedded, logs
from tests.conftest import _CONF, travelling_house
from tests.payments.soak import beside_model, together

# Of so many operations one is an event of any kind.
_SHARE = 50


def main() -> int:
    parser = argparse.ArgumentParser(prog="soak", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--operations", type=int, default=10_000)
    parser.add_argument("--payees", type=int, default=12, help="in the model's house")
    parser.add_argument("--people", type=int, default=4, help="at once in the other house")
    wanted = parser.parse_args()
    logs.configure("error")
    n_together = wanted.operations // _SHARE
    with (
        tempfile.TemporaryDirectory(prefix="rookery-soak-") as folder,
        embedded.engines(Path(folder), conf=_CONF) as engines,
    ):
        with travelling_house(engines, "together") as url:
            together.soak(url, wanted.seed, n_together, wanted.people)
        with travelling_house(engines, "beside") as url:
            beside_model.soak(url, wanted.seed, wanted.operations - n_together, wanted.payees)
    print("sound")
    return 0


if __name__ == "__main__":
    sys.exit(main())
