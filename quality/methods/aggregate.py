"""What every method says of votes, so that one can be put in another's place and compared."""

from collections.abc import Callable
from dataclasses import dataclass

from quality.methods.votes import FloatArray


@dataclass(frozen=True, slots=True)
class Aggregate:
    """posterior : (n_tasks, n_classes), rows sum to 1. reliability : (n_voters,), shares in [0, 1].

    n_iter : passes over the votes; converged : whether more of them would have changed anything.
    """

    posterior: FloatArray
    reliability: FloatArray
    n_iter: int
    converged: bool


Told = Callable[[int, float], None]
"""Is told after every pass which one it was and by how much an expected count moved at most."""

Method = Callable[..., Aggregate]
"""aggregate(votes, *, known=None, told=quiet): known labels, (n_tasks,), a class or UNKNOWN, stay what they are."""


def quiet(_pass: int, _moved: float) -> None:
    """Nobody wants to be told."""
