"""Numbers of outputs, loss, gradient and layers at one point."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from govcheck.numeric.derivatives import matrix, smallest_on_units
from govcheck.numeric.measure.lanczos import extremes
from govcheck.numeric.measure.products import Products
from govcheck.numeric.measure.record import Cost, Measurement, stopwatch
from govcheck.numeric.measure.subject import Subject, units

ROUNDING = "rounding, estimated"


def rounding(s: Subject, value: float) -> float:
    """About how far rounding moves a number that a forward and a backward pass give."""
    return 4 * s.unit * math.sqrt(max(s.parameters, s.x.numel(), 1)) * abs(value)


def _plain(
    s: Subject, quantity: str, value: Tensor | float, norm: str, method: str,
    where: str = "network", **more: object,
) -> Measurement:
    number = float(value.detach() if isinstance(value, Tensor) else value)
    return Measurement(
        quantity, where, number, norm, method, rounding(s, number), ROUNDING,
        dtype=str(s.dtype)[6:], **more,  # type: ignore[arg-type]
    )


def output_norms(s: Subject) -> list[Measurement]:
    """``out``, ``out_spec``, ``out_inj`` and ``out_max`` of the outputs of the whole batch."""
    z = matrix(s.outputs.detach())
    norms = {
        "out": ("Frobenius norm", torch.linalg.matrix_norm(z)),
        "out_spec": ("operator norm", torch.linalg.matrix_norm(z, 2)),
        "out_inj": ("smallest |Z v|, |v| = 1", smallest_on_units(z)),
        "out_max": ("largest Euclidean norm of a sample",
                    torch.linalg.vector_norm(z, dim=0).max()),
    }
    top = float(norms["out_spec"][1])
    return [
        _plain(s, q, value, norm, "forward pass",
               floor=rounding(s, top) if q == "out_inj" else 0.0)
        for q, (norm, value) in norms.items()
    ]


def loss_numbers(s: Subject, products: Products | None = None) -> list[Measurement]:
    """Loss, its gradient, their ratios, and the slope and curvature of the cost.

    The infimum of the loss counts as 0, which can only make ``mu`` smaller.

    Raises:
        InputError: if there is no loss.
    """
    p = products or Products(s)
    with stopwatch(s.device) as clock:
        outputs = s.outputs.detach().clone().requires_grad_()
        loss = s.cost(outputs)
        (g,) = torch.autograd.grad(loss, outputs, create_graph=True)
        in_outputs = float(torch.linalg.vector_norm(g.detach()))
        curvature = _curvature(g, outputs)
        gradient = float(torch.linalg.vector_norm(p.gradient))
    value = float(loss.detach())
    cost, spent = Cost(3 * s.gradient_seconds), clock.seconds
    found = {
        "alpha": ("loss", value, "forward pass"),
        "lipschitz": ("Euclidean norm of the gradient", gradient, "one backward pass"),
        "Gamma_1": ("Euclidean norm, gradient of the cost", in_outputs, "automatic derivative"),
        "Gamma_2": ("operator norm, Hessian of the cost", curvature, "Lanczos"),
    }
    if value > 0:
        found |= {
            "mu": ("|gradient|^2 / loss", gradient**2 / value, "one backward pass"),
            "mu_gamma": ("|gradient|^2 / loss, in the outputs", in_outputs**2 / value,
                         "automatic derivative"),
            "kappa_gamma": ("|gradient| / loss, in the outputs", in_outputs / value,
                            "automatic derivative"),
        }
    made = [
        _plain(s, q, v, norm, method, expected=cost, seconds=spent)
        for q, (norm, v, method) in found.items()
    ]
    made += [
        _plain(s, "gradient", torch.linalg.vector_norm(_picked(p.gradient, places)),
               "Euclidean norm of the gradient", "one backward pass", layer)
        for layer, places in s.layer_slices().items()
    ]
    return made


def _picked(flat: Tensor, places: list[slice]) -> Tensor:
    return torch.cat([flat[p] for p in places])


def _curvature(g: Tensor, outputs: Tensor) -> float:
    def apply(v: Tensor) -> Tensor:
        if not g.requires_grad:
            return torch.zeros_like(v)
        (out,) = torch.autograd.grad(
            g, outputs, v.reshape(outputs.shape), retain_graph=True, materialize_grads=True
        )
        return out.reshape(-1)

    found = extremes(apply, outputs.detach().reshape(-1), tolerance=1e-12)
    return max(abs(found.largest.value), abs(found.smallest.value))


def activation_norms(s: Subject) -> list[Measurement]:
    """Frobenius norm of what each layer puts out, all samples together."""
    found: list[Measurement] = []

    def hook(path: str):  # type: ignore[no-untyped-def]  # noqa: ANN202
        def note(m: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            norm = torch.linalg.vector_norm(output.detach())
            found.append(_plain(s, "activation", norm, "Frobenius norm", "forward pass", path))

        return note

    handles = [m.register_forward_hook(hook(path)) for path, m in leaf_modules(s.module)]
    try:
        with torch.no_grad():
            s.module(s.x)
    finally:
        for h in handles:
            h.remove()
    return found


def leaf_modules(module: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Layers by path: those with parameters whole, of all others the innermost modules."""
    own = units(module)
    for path, m in module.named_modules():
        inside = any(path.startswith(f"{u}.") for u in own)
        if path in own or (path and not inside and next(m.children(), None) is None):
            yield path, m


def drift(s: Subject, start: Tensor) -> list[Measurement]:
    """Distance of each layer's parameters from where they started; single trained numbers
    (the factors of branches) with their values too."""
    now = s.theta.double().cpu()
    made = [
        _plain(s, "drift", torch.linalg.vector_norm(_picked(now - start, places)),
               "Euclidean distance from the initial parameters", "difference", layer)
        for layer, places in s.layer_slices().items()
    ]
    for name, place in s.slices.items():
        if not s.shapes[name]:
            value = float(now[place])
            made.append(_plain(s, "factor", value, "trained number", "read", name))
            moved = value - float(start[place])
            made.append(_plain(s, "factor_drift", moved, "change from the start", "read", name))
    return made
