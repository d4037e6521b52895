"""govcheck: what is provable about gradient descent on your network.

    import govcheck as gc
    a = gc.load("arch.yaml")
    r = gc.analyze(a)
    r.bounds["beta"].latex()
    gc.explain(r, "beta")
    gc.plots(gc.measure(r))
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from govcheck.analysis import Analysis as Analysis
    from govcheck.analysis import analyze as analyze
    from govcheck.analysis import with_mode as with_mode
    from govcheck.bounds.answer import Bound as Bound
    from govcheck.bounds.answer import Unknown as Unknown
    from govcheck.errors import InputError as InputError
    from govcheck.graph.architecture import Architecture as Architecture
    from govcheck.interactive import attack as attack
    from govcheck.interactive import diagram as diagram
    from govcheck.interactive import measure as measure
    from govcheck.interactive import plots as plots
    from govcheck.interactive import spectra as spectra
    from govcheck.interactive import train as train
    from govcheck.loading import load as load
    from govcheck.loading import loads as loads
    from govcheck.numeric.importing import Imported as Imported
    from govcheck.numeric.importing import from_torch as from_torch
    from govcheck.numeric.importing import to_torch as to_torch
    from govcheck.numeric.watch import watch as watch
    from govcheck.plugin.registry import load_registry as load_registry
    from govcheck.report.document import document as document
    from govcheck.report.explanation import explain as explain

__version__ = "0.1.0"

_PUBLIC: Final = {
    "Analysis": "govcheck.analysis",
    "Architecture": "govcheck.graph.architecture",
    "Bound": "govcheck.bounds.answer",
    "Imported": "govcheck.numeric.importing",
    "InputError": "govcheck.errors",
    "Unknown": "govcheck.bounds.answer",
    "analyze": "govcheck.analysis",
    "attack": "govcheck.interactive",
    "diagram": "govcheck.interactive",
    "document": "govcheck.report.document",
    "explain": "govcheck.report.explanation",
    "from_torch": "govcheck.numeric.importing",
    "load": "govcheck.loading",
    "load_registry": "govcheck.plugin.registry",
    "loads": "govcheck.loading",
    "measure": "govcheck.interactive",
    "plots": "govcheck.interactive",
    "spectra": "govcheck.interactive",
    "train": "govcheck.interactive",
    "to_torch": "govcheck.numeric.importing",
    "watch": "govcheck.numeric.watch",
    "with_mode": "govcheck.analysis",
}
__all__ = ["__version__", *_PUBLIC]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'govcheck' has no attribute {name!r}")
    return getattr(import_module(_PUBLIC[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
