import signal

import pytest

from foundation import processes, serving


def test_whoever_stays_tends_the_children_until_a_signal(monkeypatch: pytest.MonkeyPatch) -> None:
    tended: list[int] = []

    def tend() -> None:
        tended.append(len(tended))
        if len(tended) == 3:
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(processes, "end_in_peace", lambda: None)
    supervisor = processes.Supervisor({}, {}, first=tend)
    before = {told: signal.getsignal(told) for told in (signal.SIGTERM, signal.SIGHUP)}
    try:
        serving.stay(supervisor)
    finally:
        for told, handler in before.items():
            signal.signal(told, handler)

    assert tended == [0, 1, 2]
