"""Which plugin claims a module or a call, and as which layers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from torch import nn

from govcheck.errors import InputError
from govcheck.loading import loads
from govcheck.numeric.importing.built import built_claim, built_layers
from govcheck.numeric.importing.text import step_text
from govcheck.plugin.importing import Call, Claim, Importer, UnclaimedError
from govcheck.plugin.layer import Layer
from govcheck.plugin.registry import Registry

S = TypeVar("S")
T = TypeVar("T")


class Claims:
    """Who claims what, from a registry.

    Args:
        registry: the plugins.
        module: what is imported; layers of networks built by govcheck are known.
    """

    def __init__(self, registry: Registry, module: nn.Module | None = None) -> None:
        self.registry = registry
        self.layers: dict[str, type[Layer]] = dict(registry.layers)
        self.modules: dict[str, Importer] = {}
        self.functions: dict[str, Importer] = {}
        self._shapes: dict[str, tuple[int, ...]] = {}
        self._built = {} if module is None else built_layers(module)
        for cls in registry.importers.values():
            importer = cls()
            self.modules |= dict.fromkeys(cls.modules, importer)
            self.functions |= dict.fromkeys(cls.functions, importer)

    def kind(self, module: nn.Module) -> str:
        """The name under which a module is claimed: of its class or of one that it only renames."""
        for cls in type(module).__mro__:
            name = full_name(cls)
            if name in self.modules:
                return name if _computes_alike(type(module), cls) else ""
        return ""

    def own(self, module: nn.Module) -> Claim | None:
        """What a layer's `from_module` says.

        Raises:
            UnclaimedError: as that does.
        """
        if module in self._built:
            return built_claim(*self._built[module], module)
        for name, layer in self.layers.items():
            claim = _guarded(f"{name}.from_module", layer.from_module, module)
            if claim is not None:
                return claim if claim.layer else Claim(
                    name, claim.settings, claim.weights, claim.buffers, claim.notes)
        return None

    def shape(self, claim: Claim, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Shape of an output sample of a claimed layer.

        Raises:
            UnclaimedError: if the layer does not take its settings or its input.
        """
        text = f"input: {list(shape)}\nlayers:\n  - {step_text(claim.layer, claim.settings)}"
        if text not in self._shapes:
            try:
                alone = loads(f"govcheck: 1\n{text}", registry=self.registry)
            except InputError as error:
                raise UnclaimedError(error.problems[0].message) from None
            self._shapes[text] = tuple(int(d.number) for d in alone.output)
        return self._shapes[text]

    def is_leaf(self, module: nn.Module) -> bool:
        """Whether a module is claimed as a whole, with success or not."""
        try:
            return bool(self.kind(module)) or self.own(module) is not None
        except UnclaimedError:
            return True

    def of(self, call: Call) -> Sequence[Claim]:
        """Layers that compute a call.

        Raises:
            UnclaimedError: if there are none.
        """
        if call.module is not None:
            own = self.own(call.module)
            if own is not None:
                return (own,)
            importer = self.modules.get(self.kind(call.module))
            if importer is None:
                raise UnclaimedError("no plugin claims this module")
        else:
            importer = self.functions.get(call.name)
            if importer is None:
                raise UnclaimedError("no plugin claims this function")
        claims = _guarded(f"importer {importer.name}", importer.claims, call)
        for claim in claims:
            if claim.layer not in self.layers:
                raise UnclaimedError(f"no plugin provides the layer {claim.layer}")
        return claims


def _guarded(who: str, ask: Callable[[T], S], what: T) -> S:
    """What a plugin answers; any other error than its own becomes one."""
    try:
        return ask(what)
    except UnclaimedError:
        raise
    except Exception as error:
        raise UnclaimedError(f"{who} fails: {type(error).__name__}: {error}") from None


def full_name(cls: type) -> str:
    """``torch.nn.Conv2d`` for what torch documents under this name."""
    if cls.__module__.startswith("torch.nn.modules.") and hasattr(nn, cls.__name__):
        return f"torch.nn.{cls.__name__}"
    return f"{cls.__module__}.{cls.__qualname__}"


def _computes_alike(cls: type, base: type) -> bool:
    """Whether a subclass overrides nothing but how it is made and shown.

    The class that ``torch.nn.utils.parametrize`` makes only has properties for weights.
    """
    harmless = {"__init__", "extra_repr", "reset_parameters", "_init_weights", "__repr__"}
    return all(
        getattr(cls, name, None) is value or not callable(value) or name in harmless
        or name in ("__deepcopy__", "__getstate__", "__setstate__")
        for name, value in vars(base).items()
        if not isinstance(value, property)
    ) and (cls is base or "__call__" not in vars(cls))
