"""The demo as a newcomer runs it: engines, web and background processes of its own, and a report that adds up."""

import os
import socket
import subprocess
import sys
from pathlib import Path


def test_the_recorded_crowd_is_labelled_paid_and_reported(tmp_path: Path, root: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    foreign = {"DATABASE_URL", "DATABASE_OWNER_URL", "REDIS_URL"}
    environment = {name: value for name, value in os.environ.items() if name not in foreign}

    command = [
        sys.executable,
        "-m",
        "wsgi",
        "--data-dir",
        str(tmp_path / "data"),
        "demo",
        "--exit",
        "--port",
        str(port),
    ]
    ran = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, timeout=240, check=False)

    assert ran.returncode == 0, ran.stderr
    assert "108 of 108 settled" in ran.stdout
    ways = [line.split("│")[2:5] for line in ran.stdout.splitlines() if line.startswith("│ (")]
    answers, decisions = ([int(way[column].replace(",", "")) for way in ways] for column in (0, 1))
    assert (answers[:2], decisions[3]) == ([540, 4212], 108)
    assert 108 * 6 <= answers[2] < 4212
    assert decisions[2] <= 22
    assert float(ways[2][2].strip(" %")) > float(ways[1][2].strip(" %")) + 5
    assert [line.split()[1] for line in ran.stdout.splitlines() if line.startswith("  yes  ")] == [
        "payable", "reserve", "stored",
    ]  # fmt: skip
    assert ran.stdout.count("curl -s ") == 5
    told = [file.read_text() for file in (tmp_path / "data" / "mails").glob("*.eml")]
    assert len(told) == 40
    assert all("Subject: The address for notices about your pay" in letter for letter in told)
