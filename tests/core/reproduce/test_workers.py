"""Keys side by side: the reports of a serial run, deaths and interruptions that lose nothing."""

import importlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from govcheck.reproduce import runner, workers

KEYS = '''
import os, signal, time
from pathlib import Path
from govcheck.bounds.answer import Ref
from govcheck.reproduce.protocol import Claim, Outcome, Pair, Reproduction

class Draw(Reproduction):
    """A number."""
    name, title, reference = "draw", "t", Ref("Q", "Thm 1")
    quick_seconds = full_seconds = 1

    def run(self, context):
        context.tick(0, 2)
        value = float(context.draw("x").standard_normal())
        context.tick(2, 2)
        return Outcome((Claim("c", "s", (Pair("x", value, 9.0),)),))

class Again(Draw):
    name, quick_seconds = "again", 3

class Dies(Draw):
    name, quick_seconds = "dies", 2

    def run(self, context):
        os.kill(os.getpid(), signal.SIGKILL)

class Fails(Draw):
    name = "fails"

    def run(self, context):
        raise ValueError("out of\\nluck")

class Sleeps(Draw):
    name = "sleeps"

    def run(self, context):
        (context.scratch / "part").write_text("kept")
        Path(os.environ["PIDS"], f"{os.getpid()}").touch()
        while True:
            time.sleep(0.1)

class Wakes(Sleeps):
    name, quick_seconds = "wakes", 0.5
'''


class Heard:
    def __init__(self):
        self.order, self.ticks, self.found = [], [], {}

    def begun(self, key):
        self.order.append(key)

    def parts(self, key, done, of):
        self.ticks.append((key, done, of))

    def ended(self, key, found):
        assert key not in self.found
        self.found[key] = found


@pytest.fixture
def keys(tmp_path, monkeypatch):
    (tmp_path / "reproduction_keys.py").write_text(KEYS)
    monkeypatch.syspath_prepend(tmp_path)
    yield importlib.import_module("reproduction_keys")
    sys.modules.pop("reproduction_keys")


def test_reports_do_not_depend_on_the_number_of_processes(keys, tmp_path):
    one, two = (runner.Settings(tmp_path / name, quick=True) for name in ("one", "two"))
    alone, together = Heard(), Heard()
    workers.alone([keys.Draw, keys.Fails, keys.Again], one, alone)
    workers.together([keys.Draw, keys.Fails, keys.Again], two, 2, together)
    assert alone.order == ["draw", "fails", "again"]
    assert together.order[0] == "again" and sorted(together.order) == sorted(alone.order)
    assert ("draw", 0, 2) in together.ticks
    assert alone.found["fails"] == together.found["fails"] == "ValueError('out of\\nluck')"
    names = {"draw.json", "draw.md", "again.json", "again.md"}
    for settings in (one, two):
        assert {p.name for p in settings.folder.iterdir()} == names
    for name in ("draw.json", "again.json"):
        a, b = (json.loads((s.folder / name).read_text()) for s in (one, two))
        assert a.pop("seconds") < 60 and b.pop("seconds") < 60
        assert a == b
        assert runner.record.read(two.folder / name) == together.found[name[:-5]]


def test_a_process_that_dies_takes_one_key_with_it(keys, tmp_path):
    heard = Heard()
    workers.together([keys.Draw, keys.Dies, keys.Again], runner.Settings(tmp_path, True), 1, heard)
    assert heard.order == ["again", "dies", "draw"]
    assert "ended with code -9" in heard.found["dies"]
    assert heard.found["draw"].outcome.verdict == "contradicted"


RUN = """
import signal
import sys
from pathlib import Path
import reproduction_keys as keys
# a job in the background may have been started with Ctrl-C ignored
signal.signal(signal.SIGINT, signal.default_int_handler)
from govcheck.reproduce import runner, workers

class Silent:
    def begun(self, key): pass
    def parts(self, key, done, of): pass
    def ended(self, key, found): print(key, flush=True)

try:
    workers.together([keys.Again, keys.Sleeps, keys.Wakes],
                     runner.Settings(Path(sys.argv[1]), True), 2, Silent())
except KeyboardInterrupt:
    sys.exit(130)
"""


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_an_interruption_ends_all_processes_and_keeps_what_is_done(keys, tmp_path, how):
    pids, folder = tmp_path / "pids", tmp_path / "reports"
    pids.mkdir()
    process = subprocess.Popen(
        [sys.executable, "-c", RUN, str(folder)], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True, start_new_session=True,
        env={**os.environ, "PYTHONPATH": str(tmp_path), "PIDS": str(pids)})
    assert process.stdout.readline() == "again\n"
    while len(list(pids.iterdir())) < 2:
        assert process.poll() is None
        time.sleep(0.05)
    if how == signal.SIGINT:
        os.killpg(process.pid, how)
    else:
        process.send_signal(how)
    _, err = process.communicate(timeout=60)
    assert process.returncode == (-9 if how == signal.SIGKILL else 130)
    assert err == ""
    until = time.monotonic() + 30
    while any(_alive(int(p.name)) for p in pids.iterdir()) and time.monotonic() < until:
        time.sleep(0.05)
    assert not any(_alive(int(p.name)) for p in pids.iterdir())
    assert runner.record.read(folder / "again.json").key == "again"
    kept = sorted(p.parent.name + "/" + p.read_text() for p in folder.glob(".work/*/part"))
    assert kept == ["sleeps-quick-0/kept", "wakes-quick-0/kept"]


def _alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{pid}/stat")
    # ended, and only waiting for a parent to notice
    return not (stat.is_file() and stat.read_text().rpartition(")")[2].split()[0] == "Z")


def test_ctrl_c_while_a_process_starts_is_not_lost(request):
    from govcheck.reproduce.workers import _held_back

    seen = []
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    request.addfinalizer(lambda: signal.signal(signal.SIGINT, before))
    with pytest.raises(KeyboardInterrupt), _held_back(signal.SIGINT):
        os.kill(os.getpid(), signal.SIGINT)
        child = subprocess.run(
            [sys.executable, "-c", "import os, signal; os.kill(os.getpid(), signal.SIGINT)"],
            check=False)
        seen.append(child.returncode)
    assert seen == [0]
