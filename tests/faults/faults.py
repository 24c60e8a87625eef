"""The table of faults: what each is called, how it is made, and what must hold while it lasts and after."""

from dataclasses import dataclass

from tests.faults import clients, moments, processes, releases, storage
from tests.faults.moments import at
from tests.faults.scene import Making, Scene


@dataclass(frozen=True, slots=True)
class Fault:
    """One line of the table."""

    name: str
    make: Making
    bar: float = 30.0
    """Seconds until everybody is answered, events are delivered and the clock's work is done again."""
    kills: bool = False
    lasts: float = 0.0
    """How many seconds it is kept up at least."""
    survived: bool = False
    """Whether all of that must go on while it lasts; it is kept up until it does."""
    health: float | None = None
    """Within how many seconds a new connection must be told that the service is up, while it lasts."""
    refuses: float | None = None
    """Within how many seconds a claim must be answered, if only with 503, while it lasts."""
    fails: int | None = None
    """At most so many requests may fail because of it."""


def _postmaster(scene: Scene) -> list[int]:
    return [scene.house.postmaster]


_STRUCK = {
    "sweeper": processes.killing(processes.sweeper),
    "backend": processes.killing(processes.backend),
    "postmaster": processes.killing(_postmaster),
    "rookery up": processes.supervisor_killed,
}
_MOMENTS = {"preparing": moments.preparing, "releasing": moments.releasing}

KILLS = (
    Fault("web", processes.killing(processes.web), kills=True),
    Fault("all web", processes.killing(processes.all_web), kills=True),
    Fault("jobs parent", processes.killing(processes.worker), kills=True),
    Fault("jobs parent and child", processes.killing(processes.worker_family), kills=True),
    Fault("work-horse", processes.killing(processes.work_horse), kills=True),
    Fault("sweeper", processes.killing(processes.sweeper), kills=True),
    Fault("backend", processes.killing(processes.backend), kills=True),
    Fault("postmaster", processes.killing(_postmaster), kills=True),
    Fault("redis", processes.killing(lambda scene: [scene.house.redis_pid]), kills=True, bar=60),
    Fault("rookery up", processes.supervisor_killed, kills=True, bar=60),
)
MIGRATIONS = (
    Fault("migration", releases.fresh_migration_killed, kills=True),
    Fault("migration beside", releases.serving_migration_killed, kills=True),
)
OTHERS = (
    Fault("redis flushed", storage.flushed, bar=60),
    Fault("redis away", storage.redis_away, bar=60, lasts=6, survived=True, health=2),
    Fault(
        "redis frozen",
        processes.freezing(lambda scene: [scene.house.redis_pid]),
        bar=60,
        lasts=6,
        survived=True,
        health=2,
    ),
    Fault("web frozen", processes.freezing(processes.web), bar=60, survived=True),
    Fault("worker frozen", processes.freezing(processes.worker_family), survived=True),
    Fault("sweeper frozen", processes.freezing(processes.sweeper), survived=True),
    Fault("leader frozen", processes.leader_frozen, survived=True),
    Fault("backend frozen", processes.freezing(processes.backend), lasts=6),
    Fault("database frozen", processes.freezing(processes.database), lasts=9, health=2, refuses=25),
    Fault("backend storm", storage.storm),
    Fault("no connection left", storage.no_connection_left, lasts=4, health=2, refuses=2),
    # Every thread waits three seconds for the lock, and twice as many clients for a thread.
    Fault("table locked", storage.locked, lasts=10, health=2, refuses=15),
    Fault("slow clients", clients.slow_clients, lasts=5, survived=True, health=2),
    Fault("clients hang up", clients.hanging_up),
    Fault("wrong clock", processes.wrong_clock, survived=True),
    Fault("deploy", releases.deployed, fails=0),
)
WIRED = (
    Fault("database slow", storage.wiring("slow 0.2"), lasts=5, survived=True, bar=60),
    # A request is let go after seven seconds, and the next one tries to connect for five.
    Fault("database silent", storage.wiring("silent"), lasts=9, health=2, refuses=25),
    Fault("database unheard", storage.wiring("mute", then="cut"), lasts=3),
    Fault("database cut off", storage.wiring("cut"), lasts=3, health=2, refuses=2),
)
DISK = (Fault("disk full", storage.disk_full, lasts=5, bar=60, health=2),)

# Each in a certain moment of a payout run.
PAYOUTS = (
    *(
        Fault(f"{what} at {when}", at(moment, make), kills=True, bar=60 if what == "rookery up" else 30)
        for what, make in _STRUCK.items()
        for when, moment in _MOMENTS.items()
    ),
    Fault("leader frozen at preparing", moments.leader_freezing(moments.preparing), survived=True),
    Fault("leader frozen at releasing", moments.leader_freezing(moments.releasing), survived=True),
    Fault("all web at the file", at(moments.exported, processes.killing(processes.all_web)), kills=True),
    Fault("postmaster at the file", at(moments.exported, processes.killing(_postmaster)), kills=True),
    Fault("web while a file is read", at(moments.fetching, processes.killing(processes.all_web)), kills=True),
    Fault("backend while a file is read", at(moments.fetching, processes.killing(processes.backend)), kills=True),
    Fault("reader of a statement", at(moments.stated, moments.reader_killed), kills=True),
    Fault("postmaster at a statement", at(moments.stated, processes.killing(_postmaster)), kills=True),
    Fault("backend at a statement", at(moments.stated, processes.killing(processes.backend)), kills=True),
    Fault("preparing at the machine", moments.prepare_killed, kills=True),
)

ALL = {fault.name: fault for fault in (*KILLS, *MIGRATIONS, *OTHERS, *WIRED, *DISK, *PAYOUTS)}
