"""Voters who err together: pairs and clusters whose wrong answers agree beyond what matrices and the crowd explain.

Right answers agree because they are right, and say nothing. Whoever copies errs where their source errs: where that is
wrong, their label is the source's with a chance r. The ratio of that to no copying is linear in r. Honest crowds err
together too, where a task misleads; how often is measured over all pairs, and only what is beyond it counts.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import log

import numpy as np

from quality.methods import hierarchical, withheld
from quality.methods.evidence import Evidence, Kind, enough
from quality.methods.fit import Fit
from quality.methods.special import log_gamma
from quality.methods.votes import UNKNOWN, BoolArray, FloatArray, IntArray, Votes

# Chances of copying that are tried, each as likely as the others.
_CHANCES = np.array([0.3, 0.6, 0.9])
# A vote meets so many others of its task at most, by the voters' codes, which bounds the work: gold may have thousands.
_MATES = 50
_ROUNDS = 20
# After so many passes a fit still leans on the majority.
_EARLY = 2


@dataclass(frozen=True, slots=True)
class Hearing:
    """What voters are judged by. believed : (n_votes, n_classes), of each vote's task but for it, `withheld.beliefs`.

    confusion : (n_voters, n_classes, n_classes), axes [voter, true, given].
    """

    believed: FloatArray
    confusion: FloatArray


@dataclass(frozen=True, slots=True)
class Groups:
    """What a search found. contested : voters on whom the hearings differ, ascending; nobody, if they do not.

    Either they err as one or most others do: only gold that is new or an expert can tell. Until then the consensus is
    no witness against anybody.
    """

    found: tuple[Evidence, ...]
    contested: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Case:
    """One hearing, worked out for pairs: see `_open`. usual : how often the crowd errs together, from 0 to 1.

    evidence : (n_pairs,), logarithms of ratios.
    """

    votes: Votes
    hearing: Hearing
    usual: float
    evidence: FloatArray


@dataclass(frozen=True, slots=True)
class _Pairs:
    """Two votes on one task are a meeting. one, other : (n_meetings,), numbers of votes.

    pair : (n_meetings,), which pair of voters meets; first < second : (n_pairs,), who they are; shared : how often.
    """

    one: IntArray
    other: IntArray
    pair: IntArray
    first: IntArray
    second: IntArray
    shared: IntArray


def hearings(votes: Votes, fit: Fit, *, known: IntArray | None = None) -> list[Hearing]:
    """To be judged by a fit that has hardly left the majority, and by this one, which has made up its mind.

    Many who err together can bring a fit to believe them, and then the honest seem to err together; a few who know
    better seem to err as long as the majority is believed. Whoever errs as one before both does so.
    """
    early = hierarchical.fit(votes, known=known, max_iter=_EARLY, accelerate=False)
    return [Hearing(withheld.beliefs(votes, one, known=known), one.confusion) for one in (early, fit)]


def copied(believed: FloatArray, given: FloatArray, labels: IntArray, sources: IntArray) -> FloatArray:
    """P(label | copied where the source is wrong) / P(label | independent) of each answer, (n,); expected to be 1.

    believed : (n, n_classes), without the answer itself; given : (n, n_classes), how often who answers gives this label
    where each class is true; labels, sources : (n,), what was answered, and what the source had answered.
    """
    row = np.arange(labels.size)
    source_right = believed[row, sources]
    follows = source_right * given[row, sources] + (1.0 - source_right) * (labels == sources)
    found: FloatArray = follows / np.maximum((believed * given).sum(axis=1), 1e-12)
    return found


def shared_errors(copied: FloatArray) -> float:
    """How often these answers are wrong with their sources as if copied: the most likely chance, from 0 to 1."""
    low, high = 0.0, 1.0
    excess = copied - 1.0
    for _ in range(40):
        middle = 0.5 * (low + high)
        # The likelihood is concave: its slope says on which side the top is.
        rising = float((excess / (1.0 + middle * excess)).sum()) > 0.0
        low, high = (middle, high) if rising else (low, middle)
    return low


def beyond(copied: FloatArray, usual: float, whose: IntArray, n: int) -> FloatArray:
    """Logarithm of the ratio of copying more than usual to the usual, of each of n whose answers these are, (n,)."""
    chances = usual + (1.0 - usual) * _CHANCES
    before = np.log1p(usual * (copied - 1.0))
    each = [np.bincount(whose, np.log1p(chance * (copied - 1.0)) - before, n) for chance in chances]
    found: FloatArray = np.logaddexp.reduce(np.array(each), axis=0) - log(len(each))
    return found


def pairs(votes: Votes, hearings: Sequence[Hearing], *, shared_min: int = 10, alpha: float = 0.01) -> list[Evidence]:
    """Evidence of two voters who copy, the strongest first; it must be enough in every hearing.

    Only pairs that share so many tasks are looked at, and the threshold is for all of them together. Work and memory
    grow with the votes, at most 50 meetings for each, and never with the square of the voters.
    """
    met = _meet(votes)
    looked_at = met.shared >= shared_min
    if not looked_at.any():
        return []
    least = _least([_open(votes, hearing, met) for hearing in hearings])
    threshold = enough(alpha, float(looked_at.sum()))
    found = np.flatnonzero(looked_at & (least >= threshold))
    return [
        Evidence(
            kind=Kind.COPYING,
            voters=(int(met.first[pair]), int(met.second[pair])),
            statistic=float(least[pair]),
            threshold=threshold,
            answers=int(met.shared[pair]),
            sentence=f"On {met.shared[pair]} tasks that both answered, they gave the same wrong answers more often "
            f"than two people who do not know of each other.",
        )
        for pair in found[np.lexsort((found, -least[found]))]
    ]


def clusters(
    votes: Votes, hearings: Sequence[Hearing], *, known: IntArray | None = None, alpha: float = 0.01
) -> Groups:
    """Groups of voters who err as one, in the order they were found; also where no two of them share many tasks.

    The first hearing finds a group, and it must stand in all: together beyond chance for any group of its size, and
    each member beyond `alpha` by themselves. Known tasks, (n_tasks,), else UNKNOWN, must not show that the others err
    where the group differs. If they do, or if a group does not stand because a hearing believes it rather than the
    others, the search ends: who errs is then in question itself. Nobody is in two groups. One search passes over the
    pairs some ten times for each factor of e in the number of voters.
    """
    met = _meet(votes)
    cases = [_open(votes, hearing, met) for hearing in hearings]
    free = np.ones(votes.n_voters, dtype=np.bool_)
    found: list[Evidence] = []
    seed = _densest(met, cases[0].evidence, free, alpha=alpha)
    while _is_group(seed, free):
        members = _stand(cases, seed, free, alpha=alpha)
        stands = bool(members.any())
        if _others_err(votes, members, known) if stands else any(_is_believed(case, seed) for case in cases):
            return Groups(tuple(found), tuple(np.flatnonzero(seed).tolist()))
        free &= ~(members if stands else seed)
        if stands:
            found.append(_told(cases, members, alpha=alpha))
        seed = _densest(met, cases[0].evidence, free, alpha=alpha)
    return Groups(tuple(found), ())


def linked(found: Sequence[Evidence], n_voters: int) -> IntArray:
    """The cluster of each voter, (n_voters,): the lowest code of all who are linked by evidence, else their own."""
    cluster = np.arange(n_voters)
    for evidence in found:
        together = np.unique(cluster[list(evidence.voters)])
        cluster[np.isin(cluster, together)] = together[0]
    return cluster


def differing(votes: Votes, members: BoolArray) -> BoolArray:
    """On which tasks what most members say is not what most others say, (n_tasks,). members : (n_voters,).

    Who ties is taken for the lower label; a task that one of the two sides has not answered does not differ.
    """
    mine = members[votes.voters]
    n = np.zeros((2, votes.n_tasks, votes.n_classes))
    np.add.at(n, (mine.astype(np.int64), votes.tasks, votes.labels), 1.0)
    answered = n.max(axis=2, initial=0.0).min(axis=0) > 0.0
    first, second = n.argmax(axis=2)
    differs: BoolArray = answered & (first != second)
    return differs


def one_vote_each(votes: Votes, cluster: IntArray) -> Votes:
    """The votes of which a cluster has one on each task: its most frequent label there, from its lowest code.

    cluster : (n_voters,), as `linked`; whoever is alone keeps all votes. Order of votes is kept.
    """
    return votes.only(speaking(votes, cluster))


def speaking(votes: Votes, cluster: IntArray) -> IntArray:
    """Which votes `one_vote_each` keeps, (n,), ascending."""
    whose = cluster[votes.voters]
    place = votes.tasks * votes.n_voters + whose
    _, inverse, n_alike = np.unique(place * votes.n_classes + votes.labels, return_inverse=True, return_counts=True)
    order = np.lexsort((votes.voters, votes.labels, -n_alike[inverse], place))
    first = np.ones(votes.size, dtype=np.bool_)
    first[1:] = place[order][1:] != place[order][:-1]
    return np.sort(order[first])


def _meet(votes: Votes) -> _Pairs:
    order = np.lexsort((votes.labels, votes.voters, votes.tasks))
    tasks = votes.tasks[order]
    near = [np.flatnonzero(tasks[ahead:] == tasks[:-ahead]) for ahead in range(1, min(_MATES, votes.size - 1) + 1)]
    none = np.empty(0, dtype=np.int64)
    one = order[np.concatenate([none, *near])]
    other = order[np.concatenate([none, *(start + ahead for ahead, start in enumerate(near, start=1))])]
    low, high = np.minimum(votes.voters[one], votes.voters[other]), np.maximum(votes.voters[one], votes.voters[other])
    codes, pair, shared = np.unique(low * votes.n_voters + high, return_inverse=True, return_counts=True)
    first, second = np.divmod(codes, max(votes.n_voters, 1))
    return _Pairs(one, other, pair, first, second, shared)


def _open(votes: Votes, hearing: Hearing, met: _Pairs) -> _Case:
    there = _copied(votes, hearing, met.one, votes.labels[met.other])
    back = _copied(votes, hearing, met.other, votes.labels[met.one])
    both = 0.5 * (there + back)
    usual = shared_errors(both)
    return _Case(votes, hearing, usual, beyond(both, usual, met.pair, met.first.size))


def _copied(votes: Votes, hearing: Hearing, answers: IntArray, sources: IntArray) -> FloatArray:
    labels = votes.labels[answers]
    given = hearing.confusion[votes.voters[answers], :, labels]
    return copied(hearing.believed[answers], given, labels, sources)


def _least(cases: Sequence[_Case]) -> FloatArray:
    least: FloatArray = np.min([case.evidence for case in cases], axis=0)
    return least


def _densest(met: _Pairs, evidence: FloatArray, free: BoolArray, *, alpha: float) -> BoolArray:
    """Whose pairs have the most evidence for a group of their size, (n_voters,); nobody, if it is not enough.

    By peeling (Charikar 2000; Bahmani, Kumar and Vassilvitskii 2012): whoever is tied least to the rest goes, a tenth
    at a time. Ties count as they speak for a group, and what is left is measured by all that is said of it.
    """
    n_voters = free.size
    inside = np.zeros(n_voters, dtype=np.bool_)
    inside[met.first], inside[met.second] = True, True
    inside &= free
    found, most = np.zeros(n_voters, dtype=np.bool_), 0.0
    ties = np.maximum(evidence, 0.0)
    while inside.any():
        both = inside[met.first] & inside[met.second]
        value = float(evidence[both].sum()) - _any_group(n_voters, int(inside.sum()), alpha)
        if value > most:
            found, most = inside.copy(), value
        held = np.where(both, ties, 0.0)
        tied = np.bincount(met.first, held, n_voters) + np.bincount(met.second, held, n_voters)
        members = np.flatnonzero(inside)
        least = np.partition(tied[members], members.size // 10)[members.size // 10]
        inside[members[tied[members] <= least]] = False
    return found


def _any_group(n_voters: int, size: int, alpha: float) -> float:
    """The threshold for the evidence of a group: any of its size, and any size, might have been found."""
    whole, part, rest = log_gamma(np.array([n_voters, size, n_voters - size]) + 1.0)
    return enough(alpha, n_voters) + float(whole - part - rest)


def _is_believed(case: _Case, members: BoolArray) -> bool:
    """Whether a hearing takes members for right more often than the others."""
    votes = case.votes
    believed = case.hearing.believed[np.arange(votes.size), votes.labels]
    mine = members[votes.voters]
    return bool(believed[mine].mean() > believed[~mine].mean())


def _others_err(votes: Votes, members: BoolArray, known: IntArray | None) -> bool:
    """Whether gold bears out a group that differs from the others: half of what that would take, or more.

    Were members right wherever they differ, the others would be wrong as often, on known tasks too. What members
    answer there is left out, they may know the gold; what the others answer they cannot change.
    """
    if known is None:
        return False
    mine = members[votes.voters]
    of_others = np.zeros((votes.n_tasks, votes.n_classes))
    np.add.at(of_others, (votes.tasks[~mine], votes.labels[~mine]), 1.0)
    label = of_others.argmax(axis=1)
    voted = of_others.any(axis=1)
    is_known = known != UNKNOWN
    on_gold, differing = is_known & voted, mine & (voted & ~is_known)[votes.tasks]
    if not on_gold.any() or not differing.any():
        return False
    differ = (votes.labels != label[votes.tasks])[differing].mean()
    wrong = (label != known)[on_gold].mean()
    return bool(wrong >= 0.5 * differ)


def _is_group(members: BoolArray, free: BoolArray) -> bool:
    """Whether these are several, and not more than half of those who are left, who are the crowd itself."""
    return 1 < int(members.sum()) <= int(free.sum()) / 2


def _stand(cases: Sequence[_Case], seed: BoolArray, free: BoolArray, *, alpha: float) -> BoolArray:
    """The group that a seed grows to in the first hearing, so far as it stands in all of them; perhaps nobody."""
    members = seed
    for _ in range(_ROUNDS):
        grown = free & (_ties(cases[0], members)[0] >= enough(alpha))
        if (grown == members).all():
            break
        members = grown
    while True:
        ties = np.array([_ties(case, members)[0] for case in cases])
        stays = members & (ties >= enough(alpha)).all(axis=0)
        if (stays == members).all():
            break
        members = stays
    # Of what speaks against two who agree, each has a part.
    together = 0.5 * float(ties[:, members].sum(axis=1).min())
    stands = _is_group(members, free) and together >= _any_group(members.size, int(members.sum()), alpha)
    return members if stands else np.zeros_like(members)


def _ties(case: _Case, members: BoolArray) -> tuple[FloatArray, IntArray]:
    """How much each voter errs as the other members do, (n_voters,), and on how many answers of theirs it stands.

    Where the others differ, their most frequent label is the source; where it is not one, nothing is.
    """
    votes = case.votes
    mine = members[votes.voters]
    of_members = np.zeros((votes.n_tasks, votes.n_classes))
    np.add.at(of_members, (votes.tasks[mine], votes.labels[mine]), 1.0)
    others = of_members[votes.tasks]
    others[np.arange(votes.size), votes.labels] -= mine
    most = others.max(axis=1, initial=0.0)
    told = np.flatnonzero((most > 0.0) & ((others == most[:, np.newaxis]).sum(axis=1) == 1))
    found = _copied(votes, case.hearing, told, others[told].argmax(axis=1))
    whose = votes.voters[told]
    return beyond(found, case.usual, whose, votes.n_voters), np.bincount(whose, minlength=votes.n_voters)


def _told(cases: Sequence[_Case], members: BoolArray, *, alpha: float) -> Evidence:
    ties = [_ties(case, members) for case in cases]
    codes = np.flatnonzero(members)
    n_answers = int(ties[0][1][codes].sum())
    return Evidence(
        kind=Kind.CLUSTER,
        voters=tuple(codes.tolist()),
        statistic=min(float(evidence[codes].min()) for evidence, _ in ties),
        threshold=enough(alpha),
        answers=n_answers,
        sentence=f"These {codes.size} voters err as one: {n_answers} of their answers are on tasks that others of them "
        f"answered too, and the wrong ones agree more often than those of people who do not know of each other.",
    )
