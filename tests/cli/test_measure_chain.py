"""`govcheck measure --chain`: from what is printed to what is measured."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from govcheck.numeric.measure import chain

NET = """
govcheck: 1
name: chained
symbols: {R: 1000}
input: [64]
layers:
  - affine: {out: 1, bias: false, scale: 1/100}
cost: half_square
data: {digits: {n: 10, norm: unit}}
init: {normal: {seed: 0}}
domain: {around_init: R}
theorems: [macdonald2022.theorem_2_2]
"""


@pytest.fixture
def net(arch):
    return arch(NET)


def test_the_table(govcheck, net):
    code, out, err = govcheck("measure", net, "--chain")
    # the printed constant is contradicted, which is the paper's mistake
    assert code == 0 and "govcheck: rates" in err
    assert max(map(len, out.splitlines())) <= 80
    for row in ("beta ≤", "D ≤", "sigma_D ≥", "mu ≥", "rate ≤"):
        line = next(line for line in out.splitlines() if line.strip().startswith(row))
        assert line.split()[-1] == "yes"
    assert "✗" in next(line for line in out.splitlines() if "mu in macd" in line)
    assert "but was measured as" in " ".join(out.split())


def test_json(govcheck, net):
    code, out, _ = govcheck("measure", net, "--chain", "--json")
    page = json.loads(out)
    assert code == 0 and page["alarms"] == [] and set(page["sets"]) >= {"printed", "local"}
    claims = {c["quantity"]: c for c in page["chains"]}
    assert claims["beta"]["ordered"] and [b["of"] for b in claims["beta"]["bounds"]] == [
        "printed", "derived", "local"]
    assert claims["mu in macdonald2022.theorem_2_2"]["bounds"][0]["state"] == "contradicted"


def test_alarm(govcheck, net, monkeypatch):
    plain = chain.proven

    def smaller(analysis, *arguments):
        found = plain(analysis, *arguments)
        beta = found.analysis.bounds["beta"]
        if analysis.mode.name == "tight":
            found.analysis.bounds["beta"] = replace(beta, value=beta.value / 1000)
        return found

    monkeypatch.setattr(chain, "proven", smaller)
    code, _, err = govcheck("measure", net, "--chain")
    assert code == 4
    assert "ALARM: beta, derived: at most" in err and "ALARM: beta, local" in err


def test_other_options_are_refused(govcheck, net):
    code, _, err = govcheck("measure", net, "--chain", "--estimate")
    assert code == 2 and "--chain: it goes with none of" in err
