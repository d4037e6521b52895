"""Loading plugins: everything that can be wrong with one, and that the rest keeps working."""

import importlib.metadata
import os
import subprocess
import sys
import textwrap
from dataclasses import dataclass

import pytest

from govcheck.plugin.inspection import RESERVED
from govcheck.plugin.registry import GROUP, load_registry
from govcheck.spec.names import COMBINATORS

GOOD = """
from dataclasses import dataclass
from typing import ClassVar
from govcheck.plugin import Activation, Cost, Layer, Ref, Scalar, hookimpl, bound, scalar

@dataclass(frozen=True)
class Good(Activation):
    name: ClassVar[str] = "good_layer"
    def constants(self) -> Scalar:
        return scalar(slope=(0, 1), curvature=1)
    def apply(self, x, values):
        return x

"""
HOOK = """
@hookimpl
def govcheck_layers():
    return [Good]
"""


@dataclass(frozen=True)
class FakeDistribution:
    name: str
    version: str = "1.2"


@pytest.fixture
def plugin(tmp_path, monkeypatch):
    """Write a module and return an entry point of a fake distribution that names it."""
    monkeypatch.syspath_prepend(str(tmp_path))
    made = []

    def make(module, body, *, name=None, distribution=None, target=None):
        (tmp_path / f"{module}.py").write_text(textwrap.dedent(body), encoding="utf-8")
        made.append(module)
        entry = importlib.metadata.EntryPoint(name or module, target or module, GROUP)
        return entry._for(FakeDistribution(distribution or f"{module}-dist"))

    yield make
    for module in made:
        sys.modules.pop(module, None)


def builtin_entry():
    (entry,) = (
        e for e in importlib.metadata.entry_points(group=GROUP) if e.dist.name == "govcheck"
    )
    return entry


def load(*entries):
    """Load together with a plugin that is fine, which must come through unharmed."""
    found = load_registry(entries)
    assert not any(b.plugin == "bystander" for b in found.broken)
    assert found.owner("layers", "bystander_layer").plugin == "bystander"
    return found


@pytest.fixture
def bystander(plugin):
    body = (GOOD + HOOK).replace("good_layer", "bystander_layer")
    # sorts last, so that it would be missed if loading stopped at the broken one
    return plugin("zz_bystander", body, name="bystander")


def only(registry):
    (broken,) = registry.broken
    return broken


def test_a_good_plugin_is_registered_with_its_owner(plugin, bystander):
    found = load(plugin("fine_plugin", GOOD + HOOK, name="fine"), bystander)
    assert found.broken == []
    assert found.layers["good_layer"].__name__ == "Good"
    owner = found.owner("layers", "good_layer")
    assert (owner.plugin, owner.distribution, owner.version) == ("fine", "fine_plugin-dist", "1.2")
    info = next(p for p in found.plugins if p.name == "fine")
    assert (info.module, info.distribution, info.version) == ("fine_plugin", "fine_plugin-dist",
                                                              "1.2")
    assert info.provides == {"layers": ("good_layer",)} | dict.fromkeys(
        ("costs", "theorems", "data", "reproductions", "edits", "importers"), ())
    with pytest.raises(KeyError):
        found.owner("costs", "good_layer")


IMPORT_FAILURES = {
    "import error": ("import no_such_module_here\n", "ModuleNotFoundError"),
    "exception": ("raise ValueError('two\\nlines \\x1b[31m of text')\n",
                  "ValueError: two lines [31m of text"),
    "system exit": ("raise SystemExit(3)\n", "SystemExit: 3"),
    "generator exit": ("raise GeneratorExit\n", "GeneratorExit"),
    "syntax error": ("def f(:\n", "SyntaxError"),
    "null byte": ("x = 1\0\n", "null bytes"),
    "recursion": ("def f(): f()\nf()\n", "RecursionError"),
    "endless message": ("raise ValueError('x' * 100_000)\n", "ValueError: xxx"),
    "unprintable error": (
        "class E(Exception):\n    def __str__(self): raise KeyError('k')\nraise E\n",
        "cannot be read",
    ),
    "unknown quantity": (
        GOOD + "class L(Layer):\n    @bound('lipschitz', 'upper', Ref('a', 'b'))\n"
        "    def f(self, at): return 1\n",
        "no quantity 'lipschitz'",
    ),
    "wrong sense": (
        GOOD + "class L(Layer):\n    @bound('J', 'lower', Ref('a', 'b'))\n"
        "    def f(self, at): return 1\n",
        "J is not bounded from lower",
    ),
    "bound without arguments": (
        GOOD + "class L(Layer):\n    @bound\n    def f(self, at): return 1\n", "TypeError"),
}


@pytest.mark.parametrize("case", IMPORT_FAILURES)
def test_a_failing_import_is_set_aside(case, plugin, bystander):
    body, text = IMPORT_FAILURES[case]
    found = load(plugin("bad_plugin", body, name="bad"), bystander)
    broken = only(found)
    assert (broken.plugin, broken.distribution, broken.stage) == ("bad", "bad_plugin-dist",
                                                                  "import")
    assert text in broken.error
    line = str(broken)
    assert "\n" not in line and line.isprintable() and len(line) < 500
    for part in ("bad", "bad_plugin-dist", "import", broken.error):
        assert part in line
    assert [p.name for p in found.plugins] == ["bystander"]


@pytest.mark.parametrize("target", ["not_a_module_at_all", "bad_plugin:missing", "!!", ""])
def test_an_entry_point_to_nowhere_is_set_aside(target, plugin, bystander):
    entry = plugin("bad_plugin", "", name="bad", target=target or " ")
    assert only(load(entry, bystander)).stage == "import"


def test_keyboard_interrupt_passes(plugin):
    with pytest.raises(KeyboardInterrupt):
        load_registry([plugin("bad_plugin", "raise KeyboardInterrupt\n")])


HOOK_FAILURES = {
    "raises": ("@hookimpl\ndef govcheck_layers(): raise RuntimeError('no')\n",
               ["govcheck_layers: RuntimeError: no"]),
    "exits": ("@hookimpl\ndef govcheck_layers(): raise SystemExit\n", ["SystemExit"]),
    "returns None": ("@hookimpl\ndef govcheck_layers(): pass\n", ["returned None"]),
    "returns a class": ("@hookimpl\ndef govcheck_layers(): return Good\n", ["returned ABCMeta"]),
    "returns a generator": ("@hookimpl\ndef govcheck_layers(): yield Good\n",
                            ["returned generator"]),
    "returns text": ("@hookimpl\ndef govcheck_layers(): return 'Good'\n", ["returned str"]),
    "misspelt": ("@hookimpl\ndef govcheck_layer(): return [Good]\n",
                 ["no hook is called govcheck_layer; did you mean govcheck_layers?"]),
    "misspelt specname": ("@hookimpl(specname='govcheck_costz')\ndef f(): return [Good]\n",
                          ["govcheck_costz; did you mean govcheck_costs?"]),
    "nothing like a hook": ("@hookimpl\ndef setup(): return [Good]\n",
                            ["no hook is called setup; there are govcheck_layers"]),
    "no marker": ("def govcheck_layers(): return [Good]\n",
                  ["govcheck_layers lacks the marker"]),
    "misspelt, no marker": ("def govcheck_layerz(): return [Good]\n",
                            ["no hook is called govcheck_layerz"]),
    "extra argument": ("@hookimpl\ndef govcheck_layers(config): return [Good]\n", ["config"]),
    "wrapper": ("@hookimpl(wrapper=True)\ndef govcheck_layers(): return (yield)\n", ["wrapper"]),
    "no hooks": ("x = 1\n", ["no function is marked @hookimpl"]),
    "two at once": ("@hookimpl\ndef govcheck_layer(): return []\ndef govcheck_cost(): pass\n",
                    ["govcheck_cost;", "govcheck_layer;"]),
}


@pytest.mark.parametrize("case", HOOK_FAILURES)
def test_a_bad_hook_is_set_aside(case, plugin, bystander):
    body, texts = HOOK_FAILURES[case]
    found = load(plugin("bad_plugin", GOOD + body, name="bad"), bystander)
    assert [(b.plugin, b.stage) for b in found.broken] == [("bad", "hook")] * len(texts)
    for broken, text in zip(found.broken, texts, strict=True):
        assert text in broken.error
    assert "good_layer" not in found.layers


def test_a_bad_hook_leaves_the_plugins_other_hooks(plugin, bystander):
    body = GOOD + HOOK + "@hookimpl\ndef govcheck_costs(): raise RuntimeError\n" \
        "@hookimpl\ndef govcheck_theorem(): return []\n"
    found = load(plugin("half_plugin", body), bystander)
    assert {b.stage for b in found.broken} == {"hook"} and len(found.broken) == 2
    assert "good_layer" in found.layers


def test_an_optional_hook_that_does_not_exist_is_no_error(plugin, bystander):
    body = GOOD + HOOK + "@hookimpl(optionalhook=True)\ndef govcheck_future(): return []\n"
    assert load(plugin("new_plugin", body), bystander).broken == []


def test_imported_functions_are_no_misspelt_hooks(plugin, bystander):
    plugin("tool_module", "def govcheck_version(): return 1\n")
    body = "from tool_module import govcheck_version\nimport govcheck\n" + GOOD + HOOK
    assert load(plugin("fine_plugin", body), bystander).broken == []


CLASS_FAILURES = {
    "not a class": ("Bad = 3\n", "3 is not a class"),
    "an instance": ("Bad = Good()\n", "is not a class"),
    "wrong base": ("class Bad: name = 'bad'\n", "Bad is not a subclass of Layer"),
    "abstract": ("class Bad(Activation):\n    name = 'bad'\n", "it lacks apply, constants"),
    "another API": ("@dataclass(frozen=True)\nclass Bad(Good):\n"
                    "    name: ClassVar[str] = 'bad'\n    api: ClassVar[int] = 2\n",
                    "API 2, and this govcheck speaks API 1"),
    "API as text": ("@dataclass(frozen=True)\nclass Bad(Good):\n"
                    "    name: ClassVar[str] = 'bad'\n    api: ClassVar[str] = '1'\n", "API '1'"),
    "no name": ("@dataclass(frozen=True)\nclass Bad(Layer):\n"
                "    def module(self, shape, values): return None\n", "Bad has no name"),
    "name with spaces": ("@dataclass(frozen=True)\nclass Bad(Good):\n"
                         "    name: ClassVar[str] = 'bad name'\n", "has the name 'bad name'"),
    "reserved name": ("@dataclass(frozen=True)\nclass Bad(Good):\n"
                      "    name: ClassVar[str] = 'repeat'\n", "reserve"),
    "not frozen": ("@dataclass\nclass Bad(Layer):\n    name: ClassVar[str] = 'bad'\n"
                   "    def module(self, shape, values): return None\n", "not a frozen dataclass"),
    "no dataclass": ("class Bad(Good):\n    name = 'bad'\n    width: int = 3\n",
                     "not a frozen dataclass"),
    "foreign mark": ("def f(self, at): return 1\nf.__govcheck_bound__ = 'J'\n"
                     "@dataclass(frozen=True)\nclass Bad(Good):\n"
                     "    name: ClassVar[str] = 'bad'\n    jac = f\n",
                     "Bad.jac: its mark is not one that @bound makes"),
    "hand-made mark": ("from govcheck.plugin.layer import BoundSpec\n"
                       "def f(self, at): return 1\n"
                       "f.__govcheck_bound__ = BoundSpec('JJ', 'upper', Ref('a', 'b'))\n"
                       "@dataclass(frozen=True)\nclass Bad(Good):\n"
                       "    name: ClassVar[str] = 'bad'\n    jac = f\n", "no quantity 'JJ'"),
    "no reference": ("@dataclass(frozen=True)\nclass Bad(Good):\n"
                     "    name: ClassVar[str] = 'bad'\n"
                     "    @bound('J', 'upper', 'my paper')\n    def j(self, at): return 1\n",
                     "Bad.j: @bound needs a reference"),
    "no such reading": ("@dataclass(frozen=True)\nclass Bad(Good):\n"
                        "    name: ClassVar[str] = 'bad'\n"
                        "    @bound('J', 'upper', Ref('a', 'b'), reading='as_hoped')\n"
                        "    def j(self, at): return 1\n", "no reading 'as_hoped'"),
    "bound without at": ("@dataclass(frozen=True)\nclass Bad(Good):\n"
                         "    name: ClassVar[str] = 'bad'\n"
                         "    @bound('J', 'upper', Ref('a', 'b'))\n    def j(self): return 1\n",
                         "Bad.j: a bound is a method with the arguments (self, at)"),
    "hostile metaclass": ("class M(type(Layer)):\n"
                          "    def __getattribute__(c, n):\n"
                          "        if n == 'api': raise OSError('never')\n"
                          "        return super().__getattribute__(n)\n"
                          "class Bad(Good, metaclass=M): pass\n", "OSError: never"),
}


@pytest.mark.parametrize("case", CLASS_FAILURES)
def test_a_bad_class_is_set_aside_and_its_siblings_kept(case, plugin, bystander):
    body, text = CLASS_FAILURES[case]
    hook = "@hookimpl\ndef govcheck_layers(): return [Bad, Good]\n"
    found = load(plugin("bad_plugin", GOOD + body + hook, name="bad"), bystander)
    broken = only(found)
    assert (broken.plugin, broken.stage) == ("bad", "class")
    assert text in broken.error
    assert set(found.layers) == {"bystander_layer", "good_layer"}


def test_all_keys_that_are_no_layers_are_reserved():
    assert set(COMBINATORS) < RESERVED


def test_costs_theorems_and_data_are_checked_too(plugin, bystander):
    body = GOOD + """
from govcheck.plugin import DataSource
from govcheck.theorems.protocol import Theorem

class NoReference(Cost):
    name = "bad_cost"
    reference = "a book"
    def gradient(self, at): ...
    def curvature(self, at): ...
    def pl(self, at): ...
    def level(self, at, output_norm): ...
    def loss(self, outputs, targets): ...

class NoTitle(Theorem):
    name = "me2020.theorem_1"
    reference = Ref("me", "1")
    def decide(self, analysis, reading): ...

class BadReading(NoTitle):
    title = "t"
    readings = ("as_printed", "as_wished")

class Fine(NoTitle):
    title = "t"

class Source(DataSource):
    name = "bad_data"
    def load(self, shape, folder): ...

@hookimpl
def govcheck_costs(): return [NoReference, Good]
@hookimpl
def govcheck_theorems(): return (NoTitle, BadReading, Fine)
@hookimpl
def govcheck_data(): return [Source]
"""
    found = load(plugin("bad_plugin", body), bystander)
    errors = " | ".join(b.error for b in found.broken)
    for text in ("NoReference has no reference", "Good is not a subclass of Cost",
                 "NoTitle has no title", "BadReading.readings", "Source is not a frozen dataclass"):
        assert text in errors
    assert len(found.broken) == 5 and {b.stage for b in found.broken} == {"class"}
    assert set(found.theorems) == {"me2020.theorem_1"}
    assert not found.costs and not found.data


def test_a_taken_name_stays_with_the_first_and_both_owners_are_named(plugin, bystander):
    other = "\n@dataclass(frozen=True)\nclass Other(Good):\n    name: ClassVar[str] = 'other'\n"
    first = plugin("a_module", GOOD + HOOK, name="second_by_name", distribution="dist-b")
    second = plugin("b_module", GOOD + other + HOOK.replace("[Good]", "[Good, Other]"),
                    name="first_by_name", distribution="dist-a")
    found = load(first, second, bystander)
    broken = only(found)
    assert found.owner("layers", "good_layer").plugin == "first_by_name"
    assert (broken.plugin, broken.distribution, broken.stage) == ("second_by_name", "dist-b",
                                                                  "duplicate")
    for text in ("good_layer", "second_by_name", "dist-b 1.2", "first_by_name", "dist-a 1.2"):
        assert text in broken.error
    assert found.owner("layers", "other").plugin == "first_by_name"


def test_built_ins_keep_their_names_and_come_first(plugin):
    body = (GOOD + HOOK).replace("good_layer", "tanh")
    found = load_registry([plugin("aaa_plugin", body), builtin_entry()])
    assert found.plugins[0].name == "builtin"
    assert found.layers["tanh"].__module__ == "govcheck_plugins.layers.tanh"
    assert found.owner("layers", "tanh").distribution == "govcheck"
    (broken,) = (b for b in found.broken if b.plugin == "aaa_plugin")
    assert broken.stage == "duplicate" and "plugin builtin (govcheck" in broken.error


def test_a_module_named_by_two_entry_points_loads_once(plugin, bystander):
    first = plugin("fine_plugin", GOOD + HOOK, name="one")
    again = plugin("fine_plugin", GOOD + HOOK, name="two")
    broken = only(load(first, again, bystander))
    assert (broken.plugin, broken.stage) == ("two", "duplicate")
    assert "already loaded as plugin one" in broken.error


def test_extra_modules_by_object_and_by_name(plugin):
    plugin("extra_plugin", GOOD + HOOK)
    found = load_registry([], extra=["extra_plugin", "no_such_extra"])
    assert found.owner("layers", "good_layer").plugin == "extra_plugin"
    assert [b.plugin for b in found.broken] == ["no_such_extra"]
    module = importlib.import_module("extra_plugin")
    assert load_registry([], extra=[module]).layers["good_layer"] is module.Good


def test_a_plugin_that_prints_does_not_reach_stdout(plugin, bystander, capsys):
    body = "print('import')\n" + GOOD + HOOK.replace("return", "print('hook'); return")
    load(plugin("loud_plugin", body), bystander)
    out, err = capsys.readouterr()
    assert out == "" and err.split() == ["import", "hook"]


def test_the_trace_variable_prints_each_hook_call(plugin, bystander, capsys, monkeypatch):
    bad = plugin("bad_plugin", "raise ValueError('boom')\n")
    load(bad, bystander)
    assert capsys.readouterr().err == ""
    sys.modules.pop("zz_bystander")
    monkeypatch.setenv("GOVCHECK_TRACE_PLUGINS", "1")
    load(bad, bystander)
    err = capsys.readouterr().err
    assert "plugin bystander (zz_bystander-dist 1.2): govcheck_layers() -> 1 classes" in err
    assert "Traceback" in err and "boom" in err


def run_python(code, path):
    env = {**os.environ, "PYTHONPATH": str(path)}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=env, check=True)
    return done.stdout


def install(folder, name, entry, *, name_line=True):
    info = folder / f"{name}-2.0.dist-info"
    info.mkdir()
    header = f"Name: {name}\nVersion: 2.0\n" if name_line else ""
    (info / "METADATA").write_text("Metadata-Version: 2.1\n" + header)
    (info / "entry_points.txt").write_bytes(entry)


def test_installed_distributions_are_found_and_unreadable_ones_set_aside(tmp_path):
    (tmp_path / "fine_plugin.py").write_text(GOOD + HOOK)
    install(tmp_path, "fine_dist", b"[govcheck]\nfine = fine_plugin\n")
    install(tmp_path, "torn_dist", b"[govcheck]\nx = \xff\xfe\n")
    install(tmp_path, "gone_dist", b"[govcheck]\ngone = gone_plugin\n")
    install(tmp_path, "other_dist", b"[console_scripts]\nfine = fine_plugin:main\n")
    out = run_python(
        "from govcheck.plugin.registry import load_registry\n"
        "r = load_registry()\n"
        "print(r.owner('layers', 'good_layer'))\n"
        "print(r.owner('layers', 'tanh').distribution)\n"
        "print(*sorted((b.stage, b.plugin) for b in r.broken if b.distribution != 'govcheck'))\n",
        tmp_path,
    )
    assert out.splitlines() == [
        "plugin fine (fine_dist 2.0)", "govcheck", "('import', 'gone') ('metadata', '?')"]


def test_loading_the_built_ins_is_cheap():
    out = run_python(
        "import sys\nfrom govcheck.plugin.registry import load_registry\n"
        "r = load_registry()\nassert r.layers\n"
        "heavy = {'torch', 'sympy', 'rich', 'networkx', 'sklearn', 'scipy', 'numpy'}\n"
        "print(sorted(heavy & set(sys.modules)))\n",
        "",
    )
    assert out.strip() == "[]"
