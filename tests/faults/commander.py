"""Commands of the house, each in a process of its own that need not import the house anew: a fork of this one.

Reads a line of JSON for each: its words, and the file that takes what it says; answers with the process id. The code
with which it ended is in a file beside that one, unless it was killed.
"""

import json
import os
import signal
import sys
import traceback
from pathlib import Path


def main(cli: object) -> None:
    # Nobody waits for those who have ended.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for line in sys.stdin:
        asked = json.loads(line)
        pid = os.fork()
        if pid == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            _run(cli, asked["words"], Path(asked["out"]))
        print(pid, flush=True)  # noqa: T201 - this is the answer


def _run(cli: object, words: list[str], out: Path) -> None:
    os.setsid()
    said = os.open(out, os.O_WRONLY | os.O_CREAT)
    for number in (1, 2):
        os.dup2(said, number)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    code: object = 1
    try:
        cli(words)  # type: ignore[operator]  # a command of click's
    except SystemExit as end:
        code = end.code or 0
    except BaseException:  # noqa: BLE001 - as Python would
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    out.with_suffix(".code").write_text(str(code))
    os._exit(0)


if __name__ == "__main__":
    # Run as a file, with the build to run as the working folder.
    sys.path[0] = str(Path.cwd())
    import wsgi

    main(wsgi.cli)
