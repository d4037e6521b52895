"""Theorem 2 of Zhang et al. (2022, supplement): gradients that neither vanish nor explode."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from govcheck.bounds.answer import Ref
from govcheck.reproduce.plot import Curve, Panel, Plot
from govcheck.reproduce.protocol import Claim, Context, Outcome, Pair, Reproduction, Table
from govcheck.theorems.protocol import Erratum
from govcheck_plugins.reproduce._common import dual, gaussian_weights, network, records, sphere


class NfTheorem2(Reproduction):
    """The distribution of du/d alpha_h over initialisations, and its smallest size."""

    name: ClassVar[str] = "z-thm2"
    title: ClassVar[str] = "No vanishing gradient"
    reference: ClassVar[Ref] = Ref("Z", "Theorem 2")
    quick_seconds: ClassVar[float] = 3
    full_seconds: ClassVar[float] = 7
    errata: ClassVar[Sequence[Erratum]] = records("R-12")

    def run(self, context: Context) -> Outcome:
        import numpy as np
        from scipy import stats

        from govcheck.kernels.papers import resnet_kernels

        H, name = 3, "softplus"
        m, nets = context.size(128, 512), context.size(200, 400)
        x = sphere(context.draw("samples"), 4, 6)
        found, weights_norms = [], []
        for k in range(nets):
            weights, readout = gaussian_weights(context.draw("net", k), m, H, x.shape[1])
            net = network(x, name, weights, readout, [1.0] * (H - 1))
            found.append(net.factors)
            blocks = net.blocks
            weights_norms.append([float(np.sqrt(np.diag(blocks[f"W{h}"]).min()))
                                  for h in (1, 2, 3)])
            context.tick(k + 1, nets)
        values = np.array(found)
        predicted = resnet_kernels(x, [1.0] * (H - 1), dual(name)).factors
        rows: list[tuple[str | float | int, ...]] = []
        deviations = []
        for h in range(H - 1):
            own = values[:, h, 0]
            std, limit = float(own.std()), float(np.sqrt(predicted[h][0, 0]))
            deviations.append(Pair(
                f"standard deviation of du_1/d alpha_{h + 2}, m = {m}", std, limit, rtol=0.2,
                reading="as_corrected",
            ))
            rows.append((f"alpha_{h + 2}", std, limit, float((own > 0).mean()),
                         float(np.abs(own).min()), float(stats.kstest(own / limit, "norm")[1])))
        smallest = float(np.abs(values).min())
        typical = float(np.sqrt(predicted[0][0, 0]))
        large = float(np.abs(values).max())
        claims = (
            Claim(
                "lower-bound",
                "0 < m_1 <= |du_i/d xi| for every parameter xi",
                (
                    Pair(f"smallest |du_i/d alpha_h| over {nets} nets, as a part of its typical "
                         "size, beside any fixed part such as 1/20", smallest / typical, 1 / 20,
                         "at least"),
                    Pair("share of positive du_1/d alpha_2: a quantity that is bounded away from "
                         "0 would not change its sign", float((values[:, 0, 0] > 0).mean()), 1.0,
                         "at least"),
                    *deviations,
                ),
                "du_i/d alpha_h tends to a centred normal variable as m grows, so that no m_1 "
                "holds with high probability",
                errata=("R-12",),
                remarks=(f"For the weights it holds here: smallest |du_i/dW^(h)| "
                         f"{float(np.min(weights_norms)):.3g}.",),
            ),
            Claim(
                "upper-bound",
                "|du_i/d xi| <= M = O(sqrt n)",
                (Pair("largest |du_i/d alpha_h| over typical size and sqrt(n)",
                      large / typical / np.sqrt(len(x)), 5.0, "at most"),),
            ),
        )
        own = np.sort(values[:, 0, 0])
        grid = np.linspace(own[0], own[-1], 80)
        panel = Panel("", "du_1/d alpha_2", "distribution function", (
            Curve(f"{nets} nets", tuple(own), tuple((np.arange(nets) + 1) / nets), style="steps"),
            Curve("normal limit", tuple(grid), tuple(stats.norm.cdf(grid / typical)),
                  style="dashed"),
        ))
        header = ("parameter", "standard deviation", "of the limit", "share positive",
                  "smallest size", "p of a normality test")
        return Outcome(claims, (Table("du_1/d alpha_h", header, tuple(rows)),),
                       Plot("du_1/d alpha_2 over random networks.", (panel,)),
                       notes=(f"H = {H}, {name}, m = {m}, alpha_h = 1, 4 random unit vectors in "
                              "R^6.",))
