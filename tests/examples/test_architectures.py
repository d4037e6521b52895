"""Real architectures are analysed quickly, and what is unknown is what the README says."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
ROW = re.compile(r"^\| `(\w+\.yaml)` \| ([^|]*) \| ([^|]*) \| (.*) \|$", re.MULTILINE)
TABLE = {name: (on, unknown.split(), why) for name, on, unknown, why in ROW.findall(README)}

PROGRAM = """
import json, resource, sys
import govcheck as gc
from govcheck.bounds.answer import Unknown
from govcheck.bounds.evaluate import Missing

a = gc.analyze(gc.load(sys.argv[1]))
values = {name: a.value(bound) for name, bound in a.bounds.items()}
unknown = {name: v for name, v in values.items() if isinstance(v, Unknown)}
local = [b.value for c in a.local.values() for b in c.bounds.values()]
usage = resource.getrusage(resource.RUSAGE_SELF)
print(json.dumps({
    "unknown": {name: [c.reason for c in v.causes] for name, v in unknown.items()},
    "missing": [name for name, v in values.items() if isinstance(v, Missing)],
    "infinite": [
        name for name, v in values.items()
        if not isinstance(v, (Unknown, Missing)) and not v.is_finite()
    ],
    "anywhere": sorted({c.reason for v in local if isinstance(v, Unknown) for c in v.causes}),
    "warnings": a.warnings,
    "domain": a.architecture.domain.kind,
    "cpu": usage.ru_utime + usage.ru_stime,
    "kilobytes": usage.ru_maxrss / (1024 if sys.platform == "darwin" else 1),
}))
"""


def test_the_table_names_the_architectures():
    assert len(TABLE) == 7
    assert all((ROOT / "examples" / name).is_file() for name in TABLE)


@pytest.mark.parametrize("name", TABLE)
def test_architecture(name):
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(ROOT / "examples" / name)],
        capture_output=True, text=True, check=True,
    )
    found = json.loads(run.stdout)
    on, unknown, why = TABLE[name]
    assert on == found["domain"].replace("_", " ")
    assert sorted(found["unknown"]) == sorted(unknown)
    assert not (found["missing"] or found["infinite"] or found["warnings"])
    phrases = re.findall(r"`([^`]+)`", why)
    reasons = {r for causes in found["unknown"].values() for r in causes}
    for reason in reasons:
        assert any(p in reason for p in phrases), reason
    for phrase in phrases:
        assert any(phrase in r for r in reasons | set(found["anywhere"])), phrase
    assert found["cpu"] < 10
    assert found["kilobytes"] < 2 * 1024**2


def test_every_example_loads():
    import govcheck as gc

    for path in sorted((ROOT / "examples").glob("*.yaml")):
        assert gc.load(path).body.steps, path
