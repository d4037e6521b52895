"""JSON Schema of architecture files, for editors; made from the installed plugins."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from govcheck.spec.document import FORMAT, REQUIRED
from govcheck.spec.fields import FieldSpec, Kind, field_specs
from govcheck.spec.lookup import Lookup
from govcheck.spec.names import (
    COMBINATORS,
    FUNCTIONS,
    INPUT_NAME,
    MAX_NAME,
    NAME,
    RESERVED,
)
from govcheck.spec.settings import DOMAINS, INIT_METHODS
from govcheck.spec.training import DTYPES, METHODS, SCHEDULES, STEP_SIZES, STOPS

Schema = dict[str, Any]

_FORMULA: Schema = {"$ref": "#/$defs/formula"}
_NAME: Schema = {"$ref": "#/$defs/name"}
_STEPS: Schema = {"$ref": "#/$defs/steps"}
_EDGES: Schema = {
    "id": {"allOf": [_NAME, {"not": {"const": INPUT_NAME}}]},
    "from": {"anyOf": [_NAME, {"type": "array", "items": _NAME, "minItems": 1}]},
}


def schema(registry: Lookup) -> Schema:
    """A JSON Schema (draft 2020-12) of the file format with these plugins.

    It accepts what YAML 1.1 makes of a file, and is meant for editors: the reader itself
    does not use it, and checks more (shapes, symbols, edges).
    """
    properties: Schema = {
        "govcheck": {"const": FORMAT, "description": "version of the format"},
        "name": {"type": "string", "minLength": 1},
        "symbols": {"$ref": "#/$defs/symbols"},
        "input": {"type": "array", "items": _FORMULA, "minItems": 1,
                  "description": "shape of one sample"},
        "layers": {**_STEPS, "minItems": 1},
        "cost": _plugin_choice(registry.costs),
        "data": _plugin_choice(registry.data),
        "init": _init(),
        "domain": _domain(),
        "theorems": _theorems(registry.theorems),
        "train": _train(),
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "govcheck architecture",
        **_object(properties, list(REQUIRED)),
        "$defs": {
            "formula": {
                "description": "a number, or a formula of the declared symbols with + - * / ^ "
                + " ".join(FUNCTIONS),
                "anyOf": [{"type": "number"}, {"type": "string", "minLength": 1}],
            },
            "name": {"type": "string", "pattern": f"^{NAME.pattern}$", "maxLength": MAX_NAME},
            "symbols": {
                "type": ["object", "null"],
                "propertyNames": {"allOf": [_NAME, {"not": {"enum": list(RESERVED)}}]},
                "additionalProperties": {"anyOf": [_FORMULA, {"type": "null"}]},
            },
            "steps": {"type": "array", "items": {"$ref": "#/$defs/step"}},
            "step": _step(registry),
        },
    }


def _object(properties: Schema, required: list[str]) -> Schema:
    found: Schema = {"type": "object", "properties": properties, "additionalProperties": False}
    return {**found, "required": required} if required else found


def _one_key(properties: Schema) -> Schema:
    return {**_object(properties, []), "minProperties": 1, "maxProperties": 1}


def _or_null(value: Schema, allowed: bool) -> Schema:
    return {"anyOf": [value, {"type": "null"}]} if allowed else value


def _description(owner: type[Any]) -> Schema:
    first = (owner.__doc__ or "").strip().partition("\n")[0]
    return {"description": first} if first and not first.startswith(f"{owner.__name__}(") else {}


def _fields(owner: type[Any], extra: Schema) -> Schema:
    specs = field_specs(owner)
    properties = {s.key: _field(s) for s in specs}
    needed = [s.key for s in specs if s.required]
    return {**_object({**properties, **extra}, needed), **_description(owner)}


def _field(spec: FieldSpec) -> Schema:
    found = dict(_kind(spec.kind))
    if spec.default is not None:
        plain = isinstance(spec.default, bool | int | str)
        found["default"] = spec.default if plain else repr(spec.default)
    return found


def _kind(kind: Kind) -> Schema:
    match kind.tag:
        case "bool":
            return {"type": "boolean"}
        case "int":
            # written as a number or as a constant formula such as 2^5
            return {"anyOf": [{"type": "integer"}, {"type": "string", "minLength": 1}]}
        case "str":
            return {"type": ["string", "number", "boolean"]}
        case "choice":
            return {"enum": list(kind.options)}
        case "optional" if kind.of is not None:
            return {"anyOf": [_kind(kind.of), {"type": "null"}]}
        case "either" if kind.of is not None:
            return {"anyOf": [{"enum": list(kind.options)}, _kind(kind.of)]}
        case "list" if kind.of is not None:
            return {"type": "array", "items": _kind(kind.of)}
        case "formula":
            return _FORMULA
    return {}


def _needs_nothing(owner: type[Any]) -> bool:
    return not any(s.required for s in field_specs(owner))


def _step(registry: Lookup) -> Schema:
    layers = {k: v for k, v in registry.layers.items() if k not in COMBINATORS}
    several = {**_EDGES, "from": {"type": "array", "items": _NAME, "minItems": 2,
                                  "uniqueItems": True}}
    block = {**_STEPS, "minItems": 1}
    keys: Schema = {
        name: _or_null(_fields(owner, _EDGES), _needs_nothing(owner))
        for name, owner in layers.items()
    }
    keys["repeat"] = _object({"times": _FORMULA, "block": block, **_EDGES}, ["times", "block"])
    keys["residual"] = {"anyOf": [block, _object({"block": block, **_EDGES}, ["block"])]}
    keys["parallel"] = _object(
        {
            "join": {"enum": ["sum", "concat"]},
            "branches": {"type": "array", "items": _STEPS, "minItems": 2},
            **_EDGES,
        },
        ["join", "branches"],
    )
    keys["sum"] = keys["concat"] = _object(several, ["from"])
    bare = [name for name, owner in layers.items() if _needs_nothing(owner)]
    return {"anyOf": [{"enum": bare}, _one_key(keys)] if bare else [_one_key(keys)]}


def _plugin_choice(known: Mapping[str, type[Any]]) -> Schema:
    keys = {n: _or_null(_fields(c, {}), _needs_nothing(c)) for n, c in known.items()}
    bare = [n for n, c in known.items() if _needs_nothing(c)]
    return {"anyOf": [{"enum": bare}, _one_key(keys)] if bare else [_one_key(keys)]}


def _theorems(known: Mapping[str, type[Any]]) -> Schema:
    names = [*known, *dict.fromkeys(n.partition(".")[0] for n in known if "." in n)]
    options = {"type": ["object", "null"], "additionalProperties": _FORMULA}
    item = {"anyOf": [{"enum": names}, _one_key(dict.fromkeys(names, options))]}
    return {"type": "array", "items": item if names else False}


def _init() -> Schema:
    def keyed(extra: Schema) -> Schema:
        std = {"std": _FORMULA}
        keys = {
            m: _or_null(_object({**extra, **(std if m == "normal" else {})}, []), True)
            for m in INIT_METHODS
        }
        return {"anyOf": [{"enum": list(INIT_METHODS)}, _one_key(keys)]}

    at = {"type": "object", "additionalProperties": keyed({}),
          "description": "layers with an initialisation of their own; zero: every parameter 0"}
    return keyed({"seed": _kind(Kind("int")), "at": at})


def _domain() -> Schema:
    radii = {"type": "object", "additionalProperties": _FORMULA}
    with_radii = _object({"radius": _FORMULA, "at": radii}, ["radius"])
    ball = {"anyOf": [_FORMULA, with_radii]}
    bare = [d for d in DOMAINS if d != "ball"]
    return {"anyOf": [{"enum": bare}, _one_key({"ball": ball, "around_init": ball})]}


def _train() -> Schema:
    count = _kind(Kind("int"))
    settings: Schema = {
        "cosine": _or_null(_object({"final": _FORMULA}, []), True),
        "step": _object({"every": count, "factor": _FORMULA}, ["every", "factor"]),
    }
    bare = [s for s in SCHEDULES if s != "step"]
    return _object(
        {
            "method": {"enum": list(METHODS)},
            "steps": count,
            "seed": count,
            "step_size": {"anyOf": [{"enum": list(STEP_SIZES)}, _FORMULA]},
            "batch": count,
            "momentum": _FORMULA,
            "nesterov": {"type": "boolean"},
            "weight_decay": _FORMULA,
            "schedule": {"anyOf": [{"enum": bare}, _one_key(settings)]},
            "stop": _object(dict.fromkeys(STOPS, _FORMULA), []),
            "dtype": {"enum": list(DTYPES)},
        },
        [],
    )
