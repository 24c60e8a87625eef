"""Who is there before a siege begins: staff, a requester with money and a project, workers and an expert, all hired."""

import itertools
import random
from concurrent.futures import ThreadPoolExecutor

from tests.faults.crowd import CATEGORIES, LEASE_SECONDS, OVERLAP, SKILL, Client, Crowd, Journal, Ops, Requester, Worker
from tests.faults.house import House
from tests.faults.reckoning import FIRST_MOVE
from tests.faults.scene import SKEWS, Scene

WORKERS = 16
_EXPERT_SHARE = 0.02
_RATES = ((0, "0.02"), (3, "0.03"), (4, "0.60"))
# A process whose clock is three days ahead must still take them.
_TOKEN_DAYS = 2
_STAFF = ("ops", "finance")


def settle_in(house: House, rng: random.Random, *, late_share: float, n_workers: int = WORKERS) -> Scene:
    """Everybody comes in over HTTP, but for the first tokens."""
    journal = Journal()
    with ThreadPoolExecutor() as pool:
        tokens = dict(zip(_STAFF, pool.map(lambda role: issue(house, role, "siege"), _STAFF), strict=True))
    staff = Client("ops", house.doors, tokens["ops"], journal)
    finance = Client("finance", house.doors, tokens["finance"], journal)
    requester, vanishing = _open_project(house, staff, finance, journal)

    def hire(name: str, kind: str = "answer") -> Worker:
        stranger = Client(name, house.doors, "", journal)
        applied = stranger.post("/api/applications", {"name": name, "country": "KE"})
        worker_id = applied["worker"]["id"]
        staff.post(f"/api/workers/{worker_id}/activation")
        client = Client(name, house.doors, applied["token"], journal)
        return Worker(worker_id, client, requester.project_id, journal, kind, late_share)

    workers = [hire(f"Worker {number}") for number in range(n_workers)]
    expert, outsider = hire("Expert", "adjudication"), hire("Outsider")
    staff.put(f"/api/workers/{expert.worker_id}/tiers/{SKILL}", {"tier": 4, "reason": FIRST_MOVE})
    ops = Ops(staff, [worker.worker_id for worker in workers], journal)
    crowd = Crowd([*workers, expert, requester, ops], journal)
    return Scene(house, crowd, outsider, vanishing, rng, itertools.cycle(rng.sample(SKEWS, len(SKEWS))))


def _open_project(house: House, staff: Client, finance: Client, journal: Journal) -> tuple[Requester, Requester]:
    """A requester with money enough and a project; and a second sender of theirs."""
    requester_id = staff.post("/api/requesters", {"name": "Besieged"})["requester"]["id"]
    money = {"owner_ref": requester_id, "currency": "USD", "amount": "1000000", "bank_reference": "siege"}
    finance.post("/api/top-ups", money)
    token = issue(house, "requester", requester_id)
    sender, vanishing = (Client(name, house.doors, token, journal) for name in ("requester", "vanishing"))
    rules = {"overlap_min": OVERLAP, "overlap_max": OVERLAP, "expert_share": _EXPERT_SHARE}
    rates = [{"tier": tier, "amount": amount, "currency": "USD"} for tier, amount in _RATES]
    project = {"name": "siege", "labels": list(CATEGORIES), "rates": rates, "lease_seconds": LEASE_SECONDS, **rules}
    project_id = sender.post("/api/projects", project)["id"]
    first = Requester(sender, "siege", project_id, journal)
    return first, Requester(vanishing, "siege", project_id, journal, first.numbers)


def issue(house: House, role: str, subject_id: str) -> str:
    """A token of somebody of the staff."""
    told = house.told("token", "issue", "--role", role, "--subject", subject_id, "--days", str(_TOKEN_DAYS))
    return told.split()[-1]
