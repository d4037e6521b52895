"""``govcheck gram --depth``: the table, the drawing, and what is imported for them."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from govcheck.kernels import survey
from govcheck.kernels.papers import ALL, resnet_kernels
from govcheck.report.plot_style import COLORS
from govcheck_cli import gram_plot

RESIDUAL = """
govcheck: 1
name: residual
symbols: {m: 64, H: 3, alpha: 2}
input: [6]
layers:
  - affine: {out: m, bias: false}
  - softplus
  - scale: {factor: sqrt(c_sigma(softplus)/m)}
  - repeat:
      times: H - 1
      block:
        - residual:
            - affine: {out: m, bias: false}
            - softplus
            - scale: {factor: alpha/(H*sqrt(m))}
  - affine: {out: 1, bias: false}
cost: half_square
data: {sphere: {n: 12}}
"""


@pytest.fixture
def residual(arch):
    return arch(RESIDUAL)


@pytest.fixture
def rows(govcheck):
    def run(*argv):
        code, out, err = govcheck("gram", *argv, "--json")
        assert out, err
        return code, json.loads(out)["rows"]

    return run


@pytest.fixture(scope="module")
def truth(registry):
    """lambda_0 from the recursions of the paper, for the sphere data above."""
    from govcheck.bounds.expr import num
    from govcheck.spec.document import loads

    x = survey.samples(loads(RESIDUAL, registry)).x
    dual = registry.layers["softplus"]().dual(lambda e: float(e.number))
    assert num(1).number == 1

    def value(H, n, as_printed=False):
        k = resnet_kernels(x[:n], [2.0] * (H - 1), dual, errata=ALL if as_printed else None).last
        return float(np.linalg.eigvalsh(k)[0])

    return value


def test_depth_and_samples(residual, rows, truth):
    code, found = rows(residual, "--depth", "4,1,2", "--points", "12,5", "--as-printed")
    assert code == 0
    assert [(r["depth"], r["n"]) for r in found] == [
        (1, 5), (1, 12), (2, 5), (2, 12), (4, 5), (4, 12)]
    for r in found:
        H, n = r["depth"], r["n"]
        assert r["lambda_min"] == pytest.approx(truth(H, n), rel=1e-9)
        assert 0 < r["lambda_min_lower"] <= r["lambda_min"]
        if H == 1:
            assert r["depth_free"] is None and r["printed"] is None
        else:
            assert r["depth_free"] == pytest.approx(truth(H, n) * H**2 / 4, rel=1e-9)
            assert r["printed"] == pytest.approx(truth(H, n, True), rel=1e-9)


def test_samples_alone(residual, rows, truth):
    _, found = rows(residual, "--points", "3,7")
    assert [r["depth"] for r in found] == [None, None]
    assert found[1]["lambda_min"] == pytest.approx(truth(3, 7), rel=1e-9)


def test_depth_free_number_stays(residual, rows):
    _, found = rows(residual, "--depth", "8,32,128")
    plain = [r["lambda_min"] for r in found]
    free = [r["depth_free"] for r in found]
    assert plain[0] / plain[2] > 100
    assert max(free) / min(free) < 1.5


def test_another_symbol(arch, rows):
    path = arch(RESIDUAL.replace("H", "L"))
    _, found = rows(path, "--depth", "2,3", "--depth-symbol", "L")
    assert [r["depth"] for r in found] == [2, 3]


def test_text(residual, govcheck, tmp_path):
    picture = tmp_path / "l.svg"
    code, out, err = govcheck("gram", residual, "--depth", "1,2,16", "--points", "4,12",
                              "--as-printed", "--plot", picture)
    assert code == 0 and err == ""
    for part in ("λ_0 H²/α²", "as printed", "certified", picture.name, " %)", "12 samples"):
        assert part in " ".join(out.split())
    assert max(map(len, out.splitlines())) <= 80
    assert "…" not in out


def test_uncertified_rows_fail(arch, govcheck, tmp_path):
    np.savez(tmp_path / "x.npz", x=np.vstack([np.eye(6), -np.eye(6)[:1]]), y=np.zeros(7))
    path = arch(RESIDUAL.replace("softplus", "tanh").replace("sphere: {n: 12}",
                                                             "file: {path: x.npz}"))
    code, out, _ = govcheck("gram", path, "--depth", "2,3", "--points", "6,7")
    assert code == 1 and out.count("✗") == 3 and "antiparallel pairs: (0, 6)" in out


def test_interrupted_sweep_prints_what_it_has(residual, govcheck, monkeypatch):
    real = survey.smallest_eigenvalue
    calls = []

    def some(*args):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return real(*args)

    monkeypatch.setattr(survey, "smallest_eigenvalue", some)
    code, out, _ = govcheck("gram", residual, "--depth", "1,2,3,4")
    assert code == 130 and "some rows are missing" in out
    assert out.count("✓") == 2 + 2


@pytest.mark.parametrize("ending, start", [
    ("svg", b"<?xml"), ("png", b"\x89PNG"), ("pdf", b"%PDF"), ("PNG", b"\x89PNG"),
])
def test_drawings(residual, govcheck, tmp_path, ending, start):
    files = [tmp_path / f"{name}.{ending}" for name in "ab"]
    for f in files:
        code, out, _ = govcheck("gram", residual, "--depth", "1,2", "--points", "4,12",
                                "--plot", f)
        assert code == 0 and "plot " in out
    first, second = (f.read_bytes() for f in files)
    assert first.startswith(start) and first == second
    assert {p.suffix for p in tmp_path.iterdir()} == {".yaml", f".{ending}"}


def test_what_a_drawing_says(residual, govcheck, tmp_path):
    picture = tmp_path / "l.svg"
    govcheck("gram", residual, "--depth", "1,2,4", "--points", "4,12", "--plot", picture)
    text = picture.read_text()
    for part in ("n = 4", "n = 12", "H = 1", "depth H", "samples n", "floor", ">residual<"):
        assert part in text
    # as many lines as groups and in colours that are told apart
    assert all(c.lower() in text.lower() for c in COLORS[:3])


def row(depth, n, value, floor=1e-9):
    from fractions import Fraction

    from govcheck.kernels.spectrum import SmallestEigenvalue

    return survey.DepthRow(depth, n, SmallestEigenvalue(value, Fraction(value), floor, 0.0), None)


def test_uncertified_values_are_hollow_and_negative_ones_left_out(tmp_path, monkeypatch):
    from matplotlib.axes import Axes

    lines = []
    plot = Axes.plot

    def noted(self, x, y, **style):
        lines.append((list(x), list(y), style))
        return plot(self, x, y, **style)

    monkeypatch.setattr(Axes, "plot", noted)
    rows = [row(1, 5, 0.5), row(2, 5, 1e-10), row(4, 5, -1e-12)]
    gram_plot.draw(rows, tmp_path / "a.png", "t")
    assert lines[0][:2] == ([1, 2], [0.5, 1e-10])
    assert lines[1][:2] == ([2], [1e-10]) and lines[1][2]["markerfacecolor"] == "white"
    assert lines[2][2]["label"] == "floor"


def test_many_lines_are_told_apart(tmp_path, monkeypatch):
    from matplotlib.axes import Axes

    seen = set()
    plot = Axes.plot

    def noted(self, x, y, **style):
        if style.get("linewidth") == 1.4:
            seen.add((style["color"], style["marker"], style["linestyle"]))
        return plot(self, x, y, **style)

    monkeypatch.setattr(Axes, "plot", noted)
    gram_plot.draw([row(1, n, 1.0) for n in range(1, 21)] + [row(2, n, 1.0) for n in range(1, 21)],
                   tmp_path / "a.png", "t")
    assert len(seen) == 20 + 2 - len(COLORS[:2])


def test_nothing_to_draw_and_nowhere_to_draw_it(arch, govcheck, tmp_path):
    path = arch(RESIDUAL.replace("alpha: 2", "alpha: 0"))
    picture = tmp_path / "a.png"
    code, _, err = govcheck("gram", path, "--depth", "2,3", "--plot", picture)
    assert code == 2 and "nothing to draw" in err and not picture.exists()
    too_long = tmp_path / f"{'a' * 250}.png"
    code, _, err = govcheck("gram", arch(RESIDUAL), "--depth", "2,3", "--plot", too_long)
    assert code == 2 and "cannot be written" in err and "Traceback" not in err


RUN = """
import sys
from govcheck_cli.main import main
code = main(sys.argv[2:])
found = [m for m in sys.argv[1].split(",") if m in sys.modules]
sys.exit(f"imported {found}" if found else code)
"""


@pytest.mark.parametrize("argv, heavy", [
    (["--help"], "matplotlib,torch,numpy,rich,scipy"),
    (["gram", "--help"], "matplotlib,torch,numpy,rich,scipy"),
    (["gram", "FILE", "--depth", "1,2"], "matplotlib,torch,sympy"),
    (["gram", "FILE", "--depth", "1,2", "--plot", "PLOT"], "matplotlib.pyplot,torch,sympy"),
])
def test_what_is_imported(residual, tmp_path, argv, heavy):
    places = {"FILE": str(residual), "PLOT": str(tmp_path / "a.svg")}
    done = subprocess.run(
        [sys.executable, "-c", RUN, heavy, *(places.get(a, a) for a in argv)],
        capture_output=True, text=True, check=False, timeout=120,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
