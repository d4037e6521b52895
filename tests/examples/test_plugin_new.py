"""What ``govcheck plugin new`` writes works as it is."""

import json
import re

from govcheck_cli.main import main


def test_a_new_plugin_passes_its_own_tests(installed, tmp_path, capsys):
    folder = tmp_path / "new"
    assert main(["plugin", "new", "row_gain", "--directory", str(folder)]) == 0
    told = capsys.readouterr().out
    run = installed(folder)
    files = [p for p in folder.rglob("*") if p.is_file() and "build" not in p.parts]
    assert all(str(p) in told for p in files) and len(files) == 5
    assert not any("@" in p.read_text(encoding="utf-8").replace("@dataclass", "").replace(
        "@bound", "").replace("@hookimpl", "").replace("@parametrize", "") for p in files)
    done = run("-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", "not 3x2x3",
               folder / "tests", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert int(re.search(r"(\d+) passed", done.stdout)[1]) >= 10
    checked = run("-m", "govcheck_cli.main", "plugin", "check", "row_gain", "--json",
                  "--effort", "quick")
    assert checked.returncode == 0, checked.stderr
    assert {r["status"] for r in json.loads(checked.stdout)} == {"passed"}
