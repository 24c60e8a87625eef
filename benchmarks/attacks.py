"""Crowds in which some cheat: who answers what, in which order, and what each kind of attacker says."""

from dataclasses import dataclass, replace

import numpy as np

from quality.methods.votes import UNKNOWN, BoolArray, IntArray, Votes

# People are right as Beta(17, 3), .85 on average; on hard tasks half as far above chance, and half of their errors
# are the same.
SKILL = (17.0, 3.0)
_LURED = 0.5
# Answers that arrive between a task's first and its last.
_ABREAST = 50


@dataclass(frozen=True, slots=True)
class Scene:
    """Who attacks. share : of the workers; farmed : of the gold answers, how many the attackers know to be right.

    onboarding : golds that everybody answers first, beside those among the tasks.
    """

    attack: str = "none"
    share: float = 0.0
    farmed: float = 0.0
    n_workers: int = 200
    n_tasks: int = 2000
    n_classes: int = 4
    overlap: int = 5
    gold: float = 0.1
    hard: float = 0.1
    onboarding: int = 0


@dataclass(frozen=True, slots=True)
class World:
    """Votes in the order they came; truth and known : (n_tasks,); hostile : (n_voters,)."""

    votes: Votes
    truth: IntArray
    known: IntArray
    hostile: BoolArray


def draw(scene: Scene, seed: int) -> World:
    """A crowd at work on a project, some of it hostile; the same seed gives the same honest people and tasks."""
    rng = np.random.default_rng(seed)
    n_golds = 100 if scene.onboarding else 0
    n_tasks = scene.n_tasks + n_golds
    truth = rng.integers(scene.n_classes, size=n_tasks)
    is_gold = (rng.random(n_tasks) < scene.gold) | (np.arange(n_tasks) >= scene.n_tasks)
    tasks, voters = _assigned(scene, rng, n_golds)
    labels = _honest(scene, rng, tasks, voters, truth)
    votes = Votes(tasks, voters, labels, n_tasks, scene.n_workers, scene.n_classes)
    hostile = np.arange(scene.n_workers) < round(scene.share * scene.n_workers)
    forged = _forged(scene, rng, votes, truth)
    knows = is_gold[tasks] & (rng.random(tasks.size) < scene.farmed)
    labels = np.where(hostile[voters], np.where(knows, truth[tasks], forged), labels)
    return World(replace(votes, labels=labels), truth, np.where(is_gold, truth, UNKNOWN), hostile)


def _assigned(scene: Scene, rng: np.random.Generator, n_golds: int) -> tuple[IntArray, IntArray]:
    """Who answers what, in order: nobody chooses, and tasks are filled one after the other, some of them abreast."""
    voters = np.concatenate(
        [rng.choice(scene.n_workers, size=scene.overlap, replace=False) for _ in range(scene.n_tasks)]
    )
    tasks = np.repeat(np.arange(scene.n_tasks), scene.overlap)
    order = np.argsort(tasks + rng.random(tasks.size) * _ABREAST)
    if not scene.onboarding:
        return tasks[order], voters[order]
    met = [scene.n_tasks + rng.choice(n_golds, size=scene.onboarding, replace=False) for _ in range(scene.n_workers)]
    first = np.repeat(np.arange(scene.n_workers), scene.onboarding)
    return np.concatenate((*met, tasks[order])), np.concatenate((first, voters[order]))


def _honest(scene: Scene, rng: np.random.Generator, tasks: IntArray, voters: IntArray, truth: IntArray) -> IntArray:
    """What honest people answer, (n_votes,)."""
    n_classes = scene.n_classes
    hard = rng.random(truth.size) < scene.hard
    skill = rng.beta(*SKILL, size=scene.n_workers)[voters]
    lure = (truth + rng.integers(1, n_classes, size=truth.size)) % n_classes
    right = np.where(hard[tasks], (skill + 1.0 / n_classes) / 2.0, skill)
    wrong = (truth[tasks] + rng.integers(1, n_classes, size=tasks.size)) % n_classes
    wrong = np.where(hard[tasks] & (rng.random(tasks.size) < _LURED), lure[tasks], wrong)
    labels: IntArray = np.where(rng.random(tasks.size) < right, truth[tasks], wrong)
    return labels


def _forged(scene: Scene, rng: np.random.Generator, votes: Votes, truth: IntArray) -> IntArray:
    """What attackers answer, (n_votes,), in the place of these honest votes."""
    n_classes, n_tasks, tasks = scene.n_classes, truth.size, votes.tasks
    brain = rng.integers(n_classes, size=n_tasks)
    plot = (truth + rng.integers(1, n_classes, size=n_tasks)) % n_classes
    targeted = rng.random(n_tasks) < 0.3
    machine = np.where(rng.random(n_tasks) < 0.8, truth, plot)
    late = nth(votes.voters) >= 0.5 * votes.per_voter()[votes.voters]
    found: IntArray = {
        "none": votes.labels,
        "random": rng.integers(n_classes, size=tasks.size),
        "uniform": np.zeros_like(tasks),
        "copy-bots": brain[tasks],
        "colluders": plot[tasks],
        "sleepers": np.where(late, plot[tasks], votes.labels),
        "camouflage": np.where(targeted[tasks], plot[tasks], votes.labels),
        "one LLM": machine[tasks],
    }[scene.attack]
    return found


def nth(voters: IntArray) -> IntArray:
    """Which of their voter's answers each is, from 0."""
    order = np.argsort(voters, kind="stable")
    of_voter = voters[order]
    place = np.empty_like(voters)
    place[order] = np.arange(voters.size) - np.searchsorted(of_voter, of_voter)
    return place
