import os
import subprocess
import sys

import pytest


@pytest.fixture
def installed(tmp_path):
    """Install a distribution into a folder of its own, and run programs that see it."""
    target = tmp_path / "site"

    def run(*arguments, cwd=None):
        environment = os.environ | {"PYTHONPATH": str(target), "OMP_NUM_THREADS": "1"}
        return subprocess.run(
            [sys.executable, *map(str, arguments)], capture_output=True, text=True,
            env=environment, cwd=cwd, check=False, timeout=600,
        )

    def install(folder):
        done = run("-m", "pip", "install", "--quiet", "--no-deps", "--no-index",
                   "--no-build-isolation", "--target", target, folder)
        assert done.returncode == 0, done.stdout + done.stderr
        return run

    return install
