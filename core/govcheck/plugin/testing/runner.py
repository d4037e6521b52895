"""The list of checks, and its faces: records, and parameters for pytest."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Union

from govcheck.plugin.activation import Activation
from govcheck.plugin.example import Example, examples_of
from govcheck.plugin.layer import Layer
from govcheck.plugin.testing import activations, bounds, structure
from govcheck.plugin.testing.case import STANDARD, Case, Effort
from govcheck.plugin.testing.records import CheckFailed, CheckSkipped, Record, record

if TYPE_CHECKING:
    import pytest

CaseCheck = Callable[[Case], str]
Subject = Union[type[Layer], Layer]

OF_CLASSES: Final[tuple[CaseCheck, ...]] = (
    structure.check_metadata,
    structure.check_import_light,
)
OF_EXAMPLES: Final[tuple[CaseCheck, ...]] = (
    structure.check_value_semantics,
    structure.check_shape,
    structure.check_parameters,
    structure.check_deterministic,
    structure.check_dtype,
    structure.check_batch_of_one,
    structure.check_gradients,
    bounds.check_formulas,
    bounds.check_differences,
    bounds.check_far_from_origin,
)
OF_ACTIVATIONS: Final[tuple[CaseCheck, ...]] = (
    activations.check_constants_on_the_line,
    activations.check_slopes_on_intervals,
)


@dataclass(frozen=True, eq=False)
class BoundCheck:
    """A check together with what it checks; calling it raises `CheckFailed`.

    Args:
        subject: the layer, with the example where one is used.
        name: of the check.
        run: does it and returns a message.
    """

    subject: str
    name: str
    run: Callable[[], str]

    def __call__(self) -> str:
        """Run the check; pytest is told if there is nothing to check."""
        try:
            return self.run()
        except CheckSkipped as skipped:
            import pytest

            pytest.skip(str(skipped))

    def __str__(self) -> str:
        return f"{self.subject} {self.name}"


def checks_for(
    layer: Subject, *, examples: Sequence[Example] | None = None, effort: Effort = STANDARD
) -> Iterator[BoundCheck]:
    """All checks that apply to a layer.

    Args:
        layer: a class, or an instance by itself.
        examples: where to try it, instead of its class's `examples` (for an instance: small
            shapes that it takes).
        effort: how hard to try.
    """
    name = layer.name
    try:
        found = _spread(_examples(layer, examples), effort.examples)
    except Exception as error:
        yield BoundCheck(name, "examples", partial(_raise, error))
        return
    if not found:
        hint = "it takes none of the small shapes tried; override the class method examples()"
        yield BoundCheck(name, "examples", partial(_raise, CheckFailed(hint)))
        return
    cases = [Case(e, effort, i) for i, e in enumerate(found)]
    for check in OF_CLASSES:
        yield BoundCheck(name, check_name(check), partial(check, cases[0]))
    labels: set[str] = set()
    for case in cases:
        label = str(case.example)
        if label in labels:
            label += f" ({len(labels)})"
        labels.add(label)
        extra = OF_ACTIVATIONS if isinstance(case.layer, Activation) else ()
        for check in (*OF_EXAMPLES, *extra):
            yield BoundCheck(label, check_name(check), partial(check, case))
        for quantity in bounds.quantities(case):
            yield BoundCheck(label, f"bound_{quantity}",
                             partial(bounds.check_bound, case, quantity))


def check_name(check: Callable[..., Any]) -> str:
    """The name under which a check is reported."""
    return check.__name__.removeprefix("check_")


def _examples(layer: Subject, given: Sequence[Example] | None) -> list[Example]:
    if given is not None:
        return list(given)
    return list(layer.examples()) if isinstance(layer, type) else examples_of(layer)


def _spread(found: list[Example], most: int) -> list[Example]:
    """At most so many, from the first to the last at equal distances."""
    if len(found) <= most:
        return found
    last = max(most - 1, 1)
    return [found[i * (len(found) - 1) // last] for i in range(most)]


def _raise(error: Exception) -> str:
    raise error


def check_layer(
    layer: Subject,
    *,
    examples: Sequence[Example] | None = None,
    effort: Effort = STANDARD,
    expected_failures: Mapping[str, str] | None = None,
) -> list[Record]:
    """Run all checks of a layer.

    Args:
        layer: a class, or an instance by itself.
        examples: where to try it, see `checks_for`.
        effort: how hard to try.
        expected_failures: reasons by name of a check; it has to fail on every example.
    """
    return [
        record(c.subject, c.name, c.run, expected_failures or {})
        for c in checks_for(layer, examples=examples, effort=effort)
    ]


def parametrize_with_checks(
    layers: Iterable[Subject],
    *,
    effort: Effort = STANDARD,
    expected_failures: Mapping[str, Mapping[str, str]] | None = None,
) -> pytest.MarkDecorator:
    """A decorator for a pytest function with the argument ``check``, which it has to call.

    The ids hold layer, example and check, so that ``-k`` picks some.

    Args:
        layers: classes or instances.
        effort: how hard to try.
        expected_failures: by name of the layer, reasons by name of a check.
    """
    import pytest

    found = []
    for layer in layers:
        expected = (expected_failures or {}).get(layer.name, {})
        for check in checks_for(layer, effort=effort):
            marks = [pytest.mark.xfail(reason=expected[check.name], strict=True)] if (
                check.name in expected) else []
            found.append(pytest.param(check, id=f"{check.subject}-{check.name}", marks=marks))
    return pytest.mark.parametrize("check", found)
