"""Reports to look at, a strict reading of a page, and a browser without scripts and network."""

import base64
import contextlib
import fcntl
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator

import html5lib
import pytest

import govcheck
from govcheck.report.derivations import derivations
from govcheck.report.document import document
from govcheck.report.html import render

SMALL = """
govcheck: 1
name: {name}
symbols: {{R: 1/2}}
input: [3]
layers:
  - affine: {{out: 4}}
  - repeat:
      times: 2
      block:
        - residual:
            - affine: {{out: 4, scale: 1/4}}
            - tanh
  - affine: {{out: 2}}
cost: half_square
data: {{sphere: {{n: 3, classes: 2}}}}
domain: {{ball: R}}
theorems: [macdonald2022.corollary_4_3, macdonald2022.theorem_2_1]
"""

TINY = """
govcheck: 1
name: one layer
symbols: {R: 1/2}
input: [2]
layers: [{residual: [{affine: {out: 2}}, tanh]}]
cost: half_square
data: {sphere: {n: 2, classes: 2}}
domain: {ball: R}
theorems: [macdonald2022.corollary_4_3]
"""

TIGHTNESS = {
    "seed": 3,
    "rows": [
        {"quantity": "J", "sense": "upper", "bound": "1.5", "measured": 1.2345678901,
         "ratio": 1.215, "holds": True, "searches": 4},
        {"quantity": "sigma_D", "sense": "lower", "bound": "0", "measured": 1e-9, "ratio": None,
         "holds": False, "searches": 1},
    ],
}


def measurement() -> dict:
    def row(quantity: str, sense: str, bound: str, value: float, ratio: float | None) -> dict:
        measured = {
            "quantity": quantity, "where": "network", "value": value, "norm": "operator norm",
            "method": "singular values", "error": 1e-12, "side": "both", "floor": 0.0,
            "evidence": True, "label": "measured", "dtype": "float64", "seed": None,
        }
        return {"quantity": quantity, "meaning": "", "sense": sense, "bound": bound,
                "why_no_bound": None, "ratio": ratio, "status": "holds", "measured": measured}

    return {
        "name": "small", "data": "three unit vectors", "arithmetic": "float64 on cpu", "seed": 0,
        "point": "the initial weights", "rows": [row("J", "upper", "1.5", 0.1, 15.0),
                                                 row("rate", "upper", "1", 1 - 2e-9, 1.0)],
        "alarms": [], "notes": ["a note"],
    }


@pytest.fixture(scope="session")
def report_of(registry):
    """The document of an architecture's text, with everything a page can show."""

    def make(text: str, modes: tuple[str, ...] = ("paper",)) -> dict:
        analysis = govcheck.analyze(govcheck.loads(text, registry=registry), registry=registry)
        doc = document(analysis, {m: govcheck.with_mode(analysis, m) for m in modes})
        return doc | {"derivations": derivations(analysis)}

    return make


@pytest.fixture(scope="session")
def small(report_of):
    return report_of(SMALL.format(name="small residual network"))


@pytest.fixture(scope="session")
def tiny(report_of):
    doc = report_of(TINY, modes=())
    return doc | {"derivations": {"beta": doc["derivations"]["beta"]}}


@pytest.fixture(scope="session")
def full(small):
    """The same with searches, measurements and a drawing."""
    plots = pytest.importorskip("govcheck.report.plot_data").plots_of
    doc = small | {"tightness": TIGHTNESS, "measurement": measurement()}
    return doc | {"plots": plots(doc)}


@pytest.fixture(scope="session")
def full_page(full):
    return render(full)


@pytest.fixture(scope="session")
def tree(full_page, parse):
    return parse(full_page)


@pytest.fixture(scope="session")
def small_text():
    return SMALL


@pytest.fixture(scope="session")
def parse():
    """A page as an element tree; any mistake that an HTML parser can see is an error."""

    def read(page: str):
        return html5lib.HTMLParser(strict=True, namespaceHTMLElements=False).parse(page)

    return read


def _high(descriptor: int) -> int:
    """The same file at a number that is not in the way of 3 and 4, which Chromium reads."""
    moved = fcntl.fcntl(descriptor, fcntl.F_DUPFD, 10)
    os.close(descriptor)
    return moved


class Browser:
    """Chromium through its debugging pipe, with scripts and the network switched off."""

    def __init__(self, executable: str, folder: str) -> None:
        theirs, self._to = map(_high, os.pipe())
        self._from, ours = map(_high, os.pipe())
        start = (f"import os, sys; os.dup2({theirs}, 3); os.dup2({ours}, 4); "
                 "os.execv(sys.argv[1], sys.argv[1:])")
        command = [
            sys.executable, "-c", start, executable, "--headless",
            "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
            "--disable-component-update", "--disable-sync", "--hide-scrollbars",
            f"--user-data-dir={folder}", "--remote-debugging-pipe", "about:blank",
        ]
        self._process = subprocess.Popen(command, pass_fds=(theirs, ours),
                                         stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(theirs)
        os.close(ours)
        self._count, self._rest, self._session = 0, b"", None
        self.events: list[dict] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call(
            "Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Log", "Network", "Runtime", "DOM", "CSS"):
            self.call(f"{domain}.enable")
        self.call("Emulation.setScriptExecutionDisabled", value=True)
        self.call("Network.emulateNetworkConditions", offline=True, latency=0,
                  downloadThroughput=0, uploadThroughput=0)

    def call(self, method: str, **params) -> dict:
        self._count += 1
        message = {"id": self._count, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._read()
            if answer.get("id") == self._count:
                assert "error" not in answer, answer
                return answer["result"]
            self.events.append(answer)

    def _read(self) -> dict:
        while b"\0" not in self._rest:
            got = os.read(self._from, 1 << 20)
            assert got, "the browser has ended"
            self._rest += got
        message, _, self._rest = self._rest.partition(b"\0")
        return json.loads(message)

    def open(self, url: str, width: int = 1280, dark: bool = False) -> None:
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=900,
                  deviceScaleFactor=1, mobile=False)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])
        self.events = []
        self.call("Page.navigate", url=url)
        while not any(e.get("method") == "Page.loadEventFired" for e in self.events):
            self.events.append(self._read())

    def of(self, method: str) -> list[dict]:
        return [e["params"] for e in self.events if e.get("method") == method]

    def node(self, selector: str) -> int:
        root = self.call("DOM.getDocument")["root"]["nodeId"]
        return self.call("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]

    def picture(self) -> bytes:
        return base64.b64decode(self.call("Page.captureScreenshot")["data"])

    def close(self) -> None:
        self._process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(10)
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()


@pytest.fixture(scope="module")
def browser(tmp_path_factory) -> Iterator[Browser]:
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser",
                                                 "google-chrome"))), None)
    if found is None:
        pytest.skip("no Chromium is installed")
    opened = Browser(found, str(tmp_path_factory.mktemp("profile")))
    yield opened
    opened.close()
