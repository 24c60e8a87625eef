"""schemathesis against a running house: every operation of the OpenAPI document, all checks, several identities.

In the first run of a seed everybody takes part: each operation is called by the first of them who may, with other
requesters and workers trying to read what it returned. Then each identity alone calls everything, and nobody at all.
"""

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy.orm import Session

from foundation import auth
from tests import factories
from tests.attack.good import GOOD
from workforce.models import Kind

# Who must not see each other's things.
_PEERS = ("requester", "another requester", "worker", "another worker")
_ALONE = ("worker", "ops", "finance", "requester", "nobody")
# An identity alone is refused by most operations: fewer cases say so as well, and none of what is tried in order.
_ALONE_SHARE, _ALONE_PHASES = 10, ("--phases", "fuzzing")
_ALWAYS = (
    "--continue-on-failure", "--no-color", "--rate-limit", "auto", "--generation-database", "none", "--report", "json",
)  # fmt: skip
_LEASES, _PARKED = 10, 5


@dataclass(frozen=True, slots=True)
class Cast:
    """Everybody's tokens, and values that exist, so that more than the refusals is reached."""

    tokens: Mapping[str, str]
    known: Mapping[str, Sequence[str | int]]
    """By the name of the path's parameter; `words` and `numbers` are for everywhere."""


@dataclass(slots=True)
class Fuzzed:
    """What came out of all runs together."""

    operations: int = 0
    cases: int = 0
    accepted: Counter[str] = field(default_factory=Counter)
    """How often each rule of `fuzz_hooks.ACCEPTED` held."""
    failures: list[str] = field(default_factory=list)


def cast(db: Session) -> Cast:
    """People with projects, tasks and leases."""
    project = factories.create_project(db, overlap_min=1, overlap_max=2, lease_seconds=86_400)
    batch = factories.create_batch(db, project)
    tasks = [factories.create_task(db, project, batch) for _ in range(3 * _LEASES)]
    other = factories.create_project(db)
    worker, another = factories.create_worker(db), factories.create_worker(db)
    leases = [factories.claim(db, worker, project) for _ in range(_LEASES)]
    escalated, _ = factories.create_escalated(db)
    expert = factories.create_worker(db, tier=4)
    decided = factories.claim(db, expert, escalated, Kind.ADJUDICATION)
    parked = [GOOD["POST /api/parked-events/<event_id>/retry"](db).names["event_id"] for _ in range(_PARKED)]
    subjects = {
        "requester": project.requester_id, "another requester": other.requester_id, "worker": worker.id,
        "another worker": another.id, "expert": expert.id,
    }  # fmt: skip
    roles = {"another requester": "requester", "another worker": "worker", "expert": "worker"}
    staff = ("ops", "finance", "approver", "admin", "auditor", "monitor")
    tokens = {
        name: auth.issue(db, role=roles.get(name, name), subject_id=subjects.get(name, name))[1]
        for name in (*subjects, *staff)
    }
    known: dict[str, Sequence[str | int]] = {
        "assignment_id": [lease.id for lease in [*leases, decided]],
        "event_id": parked,
        "project_id": [project.id, project.name, other.id],
        "task_id": [task.id for task in tasks],
        "worker_id": [worker.id, another.id],
        "skill": [factories.SKILL],
        "words": ["crow", "rook", "USD", "0.02", "KE", factories.SKILL, project.name, batch.name, project.requester_id],
        "numbers": [1, 2],
    }
    return Cast(tokens, known)


def fuzz(address: str, people: Cast, *, seeds: Sequence[int], cases: int, folder: Path) -> Fuzzed:
    """All runs of all seeds. Their logs stay in the folder."""
    found = Fuzzed()
    for seed in seeds:
        _run(address, people, "everybody", seed=seed, cases=cases, folder=folder, found=found)
        for name in _ALONE:
            _run(address, people, name, seed=seed, cases=-(-cases // _ALONE_SHARE), folder=folder, found=found)
    return found


def _run(address: str, people: Cast, who: str, *, seed: int, cases: int, folder: Path, found: Fuzzed) -> None:
    name = f"{who} {seed}"
    report, accepted, log = (folder / f"{name}.{kind}" for kind in ("json", "accepted", "log"))
    accepted.touch()
    config = folder / f"{name}.toml"
    config.write_text(_config(people, who, folder))
    command = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(config), "run", *_ALWAYS]
    command += ["--max-examples", str(cases), "--seed", str(seed), "--report-json-path", str(report)]
    command += [*(() if who == "everybody" else _ALONE_PHASES), f"{address}/api/openapi.json"]
    environment = {**os.environ, "SCHEMATHESIS_HOOKS": "tests.attack.fuzz_hooks", "ATTACK_ACCEPTED": str(accepted)}
    with log.open("w") as out:
        subprocess.run(command, stdout=out, stderr=subprocess.STDOUT, check=False, env=environment)
    _add(found, name, json.loads(report.read_text()), accepted.read_text().splitlines(), log)


def _add(found: Fuzzed, name: str, told: dict[str, Any], accepted: Sequence[str], log: Path) -> None:
    found.cases += told["test_cases"]["generated"]
    found.accepted.update(accepted)
    if told["operations"] and not told["errors"]:
        found.operations = told["operations"]["tested"]
    else:
        found.failures.append(f"{name}: did not run to its end, see {log}: {told['errors']}")
    for failure in told["failures"]:
        found.failures.append(f"{name}: {failure['title']} ({failure['count']}) at {failure['operations']}, see {log}")


def _config(people: Cast, who: str, folder: Path) -> str:
    """Settings of schemathesis, as TOML; JSON's strings and lists are TOML's too."""
    lines = [f"[dictionaries.{name}]\nvalues = {json.dumps(values)}" for name, values in people.known.items()]
    lines += ["[cache]", "enabled = false", "[parameters]"]
    lines += [
        f'"path.{name}" = {{ dictionary = "{name}", probability = 0.5 }}'
        for name in people.known
        if name not in {"words", "numbers"}
    ]
    lines += ["[generation.dictionaries]"]
    lines += ['string = { dictionary = "words", probability = 0.1 }']
    lines += ['integer = { dictionary = "numbers", probability = 0.1 }']
    if who == "everybody":
        entries = [{"name": name, "fixedHeaders": [_header(people, name)]} for name in people.tokens]
        (folder / "everybody-auth.json").write_text(json.dumps({"auth": entries}))
        lines += [
            "[auth.wfc]",
            f"path = {json.dumps(str(folder / 'everybody-auth.json'))}",
            f"peers = {json.dumps(_PEERS)}",
        ]
    elif who != "nobody":
        lines += ["[headers]", f"Authorization = {json.dumps(_header(people, who)['value'])}"]
    return "\n".join(lines) + "\n"


def _header(people: Cast, name: str) -> dict[str, str]:
    return {"name": "Authorization", "value": f"Bearer {people.tokens[name]}"}
