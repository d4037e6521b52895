"""The table in docs/import.md and in the README is what the program finds."""

import importlib
from pathlib import Path

import torch

import govcheck as gc
from govcheck.numeric.importing import NotClaimedError

ROOT = Path(__file__).parents[2]
PAGES = (ROOT / "docs" / "import.md", ROOT / "README.md")
BEGIN, END = "<!-- families -->\n", "<!-- end of families -->\n"
FAMILIES = {
    "resnet": "ResNet-18 (basic blocks)",
    "resnet_bottleneck": "ResNet-50 (bottlenecks)",
    "vgg": "VGG",
    "convnext": "ConvNeXt",
    "vit": "ViT (class token, fused qkv)",
    "mixer": "MLP-Mixer",
    "nfnet": "NFNet (standardised kernels)",
    "squeeze_excite": "squeeze and excitation",
}
ASKED = ("out", "J", "D", "xx", "xt", "tt", "lipschitz", "beta", "eta")
SETTING = "cost: half_square\ndata: {sphere: {n: 4, classes: 10}}\ndomain: {ball: 1}\n"


def row(name, module, registry):
    """A line of the table."""
    label = f"| {FAMILIES[name]} | `{name}` "
    mode = "eval" if name == "vgg" else "train"
    try:
        found = gc.from_torch(module, (1, 3, 32, 32), mode=mode, registry=registry)
    except NotClaimedError as error:
        items = "; ".join(f"`{i.what}`: {i.why}" for i in error.items)
        return f"{label}| | not claimed: {items} | |\n"
    assert found.check.passed
    analysis = gc.analyze(gc.loads(found.text + SETTING, registry=registry))
    unknown = {n: analysis.bounds[n].value for n in ASKED
               if isinstance(analysis.bounds[n].value, gc.Unknown)}
    reasons = sorted({c.reason.split(":")[0] for u in unknown.values() for c in u.causes})
    names = ", ".join(f"`{n}`" for n in unknown) or "none"
    return f"{label}| {found.check.parameters} in {mode} | {names} | {'; '.join(reasons)} |\n"


def test_the_table_is_what_is_found(registry, monkeypatch, writes_golden):
    monkeypatch.syspath_prepend(str(ROOT / "examples"))
    torch.set_num_threads(1)
    torch.manual_seed(0)
    families = importlib.import_module("torch_families")
    table = ("| family | factory in examples/torch_families.py | parameters that agree | "
             "unknown constants | because |\n|---|---|---|---|---|\n")
    table += "".join(row(n, getattr(families, n)(), registry) for n in FAMILIES)
    for page in PAGES:
        before, rest = page.read_text().split(BEGIN)
        old, after = rest.split(END)
        if writes_golden:
            page.write_text(before + BEGIN + table + END + after)
            old = table
        assert old == table, page.name
