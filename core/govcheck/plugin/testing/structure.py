"""Checks of what a layer says about itself and of its torch module, bounds apart."""

from __future__ import annotations

import copy
import dataclasses
import inspect
from typing import TYPE_CHECKING

from govcheck.bounds.expr import as_expr, sym
from govcheck.plugin.inspection import fault
from govcheck.plugin.layer import declared_bounds
from govcheck.plugin.testing.case import Case
from govcheck.plugin.testing.imports import heavy_imports
from govcheck.plugin.testing.records import CheckFailed, CheckSkipped

if TYPE_CHECKING:
    from torch import Tensor, nn


def check_metadata(case: Case) -> str:
    """Name, API, texts and references are there, and files can write all fields."""
    from govcheck.spec.fields import field_specs

    cls = type(case.layer)
    wrong = fault("layers", cls)
    if wrong:
        raise CheckFailed(wrong)
    doc = inspect.cleandoc(cls.__doc__ or "")
    # a dataclass without a docstring is given its signature
    if not doc or doc.startswith(f"{cls.__name__}("):
        raise CheckFailed(f"{cls.__qualname__} has no docstring that says what it computes")
    bounds = declared_bounds(cls)
    for attribute, spec in bounds:
        if not (spec.reference.source.strip() and spec.reference.place.strip()):
            raise CheckFailed(f"{attribute} has an empty reference")
        if not (getattr(cls, attribute).__doc__ or "").strip():
            raise CheckFailed(f"{attribute} has no docstring")
    for f in field_specs(cls):
        if f.kind.tag == "unsupported":
            raise CheckFailed(f"field {f.key} is annotated {f.kind.options[0]}, which "
                              "architecture files cannot write")
    return f"{len(bounds)} bounds with references"


def check_import_light(case: Case) -> str:
    """Importing the layer's module loads no heavy package."""
    found = heavy_imports([type(case.layer)])
    if found:
        raise CheckFailed(
            f"importing {type(case.layer).__module__} loads {', '.join(found)}; import them "
            "inside the functions that need them"
        )
    return "loads no heavy package"


def check_value_semantics(case: Case) -> str:
    """Equal fields make equal layers with equal hashes."""
    layer = case.layer
    again = dataclasses.replace(layer) if _all_init(layer) else copy.copy(layer)  # type: ignore[type-var]
    if layer != again or hash(layer) != hash(again):
        raise CheckFailed("two instances with the same fields differ")
    return "equal fields, equal layers"


def _all_init(layer: object) -> bool:
    return all(f.init for f in dataclasses.fields(layer))  # type: ignore[arg-type]


def check_shape(case: Case) -> str:
    """The symbolic shape is that of torch, for dimensions in numbers and in symbols."""
    layer, sizes = case.layer, case.example.shape
    told = case.sizes(tuple(map(as_expr, layer.shape(case.shape))))
    with_grad = case.module()(case.batch())
    if tuple(with_grad.shape) != (case.example.samples, *told):
        raise CheckFailed(
            f"shape() says {told} for a sample of shape {sizes}, and the module maps a batch "
            f"of {case.example.samples} to {tuple(with_grad.shape)}"
        )
    symbols = tuple(sym(f"d_{i}") for i in range(len(sizes)))
    try:
        general = layer.shape(symbols)
    except ValueError as error:
        return f"{told}; not for sizes in symbols ({error})"
    from govcheck.bounds.evaluate import ball, evaluate

    env = {s: ball(v) for s, v in case.example.values.items()}
    env |= {s: ball(n) for s, n in zip(symbols, sizes, strict=True)}
    found = tuple(int(float(evaluate(as_expr(d), env).mid())) for d in general)
    if found != told:
        raise CheckFailed(f"shape() says {told} for {sizes}, and {found} if sizes are symbols")
    return f"{told}, in symbols as well"


def check_parameters(case: Case) -> str:
    """The module's parameters are those that are declared, by name and shape."""
    declared = {
        p.name: case.sizes(tuple(map(as_expr, p.shape))) for p in case.layer.parameters(case.shape)
    }
    found = {n: tuple(p.shape) for n, p in case.module().named_parameters()}
    for name in sorted(found.keys() - declared.keys()):
        raise CheckFailed(f"the module has a parameter {name} that parameters() does not declare")
    for name in sorted(declared.keys() - found.keys()):
        raise CheckFailed(f"parameters() declares {name}, which the module does not have")
    for name, shape in declared.items():
        if found[name] != shape:
            raise CheckFailed(f"{name} is declared with shape {shape} and has {found[name]}")
    return ", ".join(f"{n} {s}" for n, s in declared.items()) or "no parameters"


def check_deterministic(case: Case) -> str:
    """The module is a function of its parameters and its batch, and leaves both alone."""
    import torch

    module, x = case.module(), case.batch()
    before = _state(module)
    given = x.clone()
    first = module(x).detach()
    if not torch.equal(x, given):
        raise CheckFailed("the module changes its input")
    module(case.batch(seed=3))
    if not _same(_state(module), before):
        raise CheckFailed("calling the module changes its parameters or buffers")
    for other, what in ((module, "called twice"), (case.module(), "made twice")):
        if not torch.equal(other(x).detach(), first):
            raise CheckFailed(f"{what} with equal parameters, the module gives different outputs")
    # a copy that has seen nothing else must agree as well
    if not torch.equal(case.module().eval()(x).detach(), first):
        raise CheckFailed("the module computes something else after eval()")
    return "same parameters and batch, same output"


def _state(module: nn.Module) -> dict[str, Tensor]:
    return {k: v.detach().clone() for k, v in module.state_dict().items()}


def _same(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    import torch

    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


def check_dtype(case: Case) -> str:
    """float64 stays float64 and finite; float32 gives nearly the same in float32, on the CPU."""
    import torch

    module, x = case.module(), case.batch()
    exact = module(x).detach()
    if exact.dtype != torch.float64 or not bool(torch.isfinite(exact).all()):
        raise CheckFailed(f"a batch in float64 gives {exact.dtype}, or entries that are not finite")
    rough = copy.deepcopy(module).float()(x.float()).detach()
    if rough.dtype != torch.float32:
        raise CheckFailed(f"a module and a batch in float32 give {rough.dtype}")
    if rough.device != x.device:
        raise CheckFailed(f"a batch on {x.device} gives an output on {rough.device}")
    size = max(float(exact.abs().max()), 1.0)
    error = float((rough.double() - exact).abs().max()) / size
    if not error < 1e-3:
        raise CheckFailed(f"float32 differs from float64 by {error:.1e} of the largest entry")
    return f"float32 within {error:.0e}"


def check_batch_of_one(case: Case) -> str:
    """A batch may have one sample."""
    import torch

    told = case.sizes(tuple(map(as_expr, case.layer.shape(case.shape))))
    out = case.module()(case.batch()[:1]).detach()
    if tuple(out.shape) != (1, *told) or not bool(torch.isfinite(out).all()):
        raise CheckFailed(f"one sample gives shape {tuple(out.shape)}, or entries not finite")
    return "works"


def check_gradients(case: Case) -> str:
    """Torch can differentiate the module twice, and finds the first derivative right."""
    import torch

    module, x = case.module(), case.batch().requires_grad_()
    out = module(x)
    v = torch.randn(out.shape, generator=torch.Generator().manual_seed(5), dtype=x.dtype)
    if not out.requires_grad:
        raise CheckSkipped("the output depends neither on the input nor on parameters")
    (g,) = torch.autograd.grad((out * v).sum(), x, create_graph=True, allow_unused=True)
    if g is None:
        raise CheckFailed("the output does not depend on the input")
    if g.requires_grad:
        torch.autograd.grad(g.sum(), x, allow_unused=True)
    h = torch.randn(x.shape, generator=torch.Generator().manual_seed(6), dtype=x.dtype)
    with torch.no_grad():
        t = 1e-6
        rise = ((module(x + t * h) - module(x - t * h)) * v).sum() / (2 * t)
        told = (g * h).sum()
        size = float((g.abs() * h.abs()).sum()) + float(out.abs().sum())
    if abs(float(rise - told)) > 1e-5 * max(size, 1.0):
        raise CheckFailed(
            f"autograd says the slope along a direction is {float(told):.6g}, and differences "
            f"say {float(rise):.6g}"
        )
    return "autograd agrees with differences"
