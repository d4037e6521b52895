"""The table of widths: every route at a small size, and rows that an interruption keeps."""

import numpy as np
import pytest

from govcheck.certify import widths
from govcheck.reproduce.protocol import Context
from govcheck_plugins.reproduce import certificate_widths
from govcheck_plugins.reproduce.certificate_widths import ROUTES, CertificateWidths, samples

N = 4


@pytest.fixture
def small(monkeypatch):
    """Four samples, one draw, few widths."""
    monkeypatch.setattr(certificate_widths, "SIZES", (N, 20, 50))
    monkeypatch.setattr(certificate_widths, "DRAWS", 1)
    monkeypatch.setattr(certificate_widths, "MOST", 2**11)


def rows(outcome):
    return {r[0]: r[1] for r in outcome.tables[0].rows}


def test_samples_are_centred_digits_of_norm_one():
    x, y = samples(N)
    assert x.shape == (N, 64) and set(y) <= {-1.0, 1.0}
    assert np.allclose(np.linalg.norm(x, axis=1), 1)
    assert x.min() < 0


def test_every_route_gives_a_width_in_the_order_of_theory(small):
    ticks = []
    key = CertificateWidths()
    outcome = key.run(Context(key.name, tick=lambda done, of: ticks.append((done, of))))
    found = {route: rows(outcome)[words] for route, (words, _) in ROUTES.items()}
    assert found["anchor1"] <= found["march10"] <= found["march"] <= found["path"]
    assert found["path"] <= found["product"] < found["scaled"] < found["paper"]
    assert max(found["anchor2"], found["anchor3"]) <= found["march10"]
    assert {c.key for c in outcome.claims} == set(ROUTES)
    assert all(bool(c.pairs) != bool(c.reason) for c in outcome.claims)
    assert ticks[-1] == (len(ROUTES), len(ROUTES))


def test_the_width_of_a_route_is_where_it_begins_to_close(small):
    key = CertificateWidths()
    outcome = key.run(Context(key.name))
    x, y = samples(N)
    for route, closes in (("path", widths.by_path), ("march", widths.by_march)):
        m = rows(outcome)[ROUTES[route][0]]
        task = widths.random_task(x, y, m, seed=0)
        assert closes(task)
        # two per cent and one below the bisection's grid
        assert not closes(widths.random_task(x, y, m - max(2, m // 40), seed=0))


def test_finished_rows_are_kept(small, tmp_path, monkeypatch):
    key = CertificateWidths()
    context = Context(key.name, scratch=tmp_path)

    class Stop(Exception):
        pass

    def stop(*given, **named):
        raise Stop

    real = widths.by_march
    monkeypatch.setattr(widths, "by_march", stop)
    with pytest.raises(Stop):
        key.run(context)
    monkeypatch.setattr(widths, "by_march", real)
    # what comes before it is not computed again
    monkeypatch.setattr(widths, "by_path", stop)
    monkeypatch.setattr(widths, "by_product", stop)
    again = key.run(context)
    monkeypatch.undo()
    assert isinstance(rows(again)[ROUTES["path"][0]], int)


def test_a_route_that_does_not_close_is_told(small, monkeypatch):
    monkeypatch.setattr(certificate_widths, "MOST", 16)
    outcome = CertificateWidths().run(Context("certificate-widths"))
    found = {c.key: c for c in outcome.claims}
    assert found["product"].verdict == "not computable"
    assert "no certificate closed" in found["product"].reason
    assert rows(outcome)[ROUTES["product"][0]] == "not up to 16, or not tried"
