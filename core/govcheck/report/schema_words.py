"""Words of JSON Schema that the parts of the report's schema share."""

from __future__ import annotations

from typing import Any, Final

Schema = dict[str, Any]

TEXT: Final[Schema] = {"type": "string"}
BOOL: Final[Schema] = {"type": "boolean"}
NUMBER: Final[Schema] = {"type": "number"}
COUNT: Final[Schema] = {"type": "integer", "minimum": 0}
STRINGS: Final[Schema] = {"type": "array", "items": TEXT}
SENSE: Final[Schema] = {"enum": ["upper", "lower"]}


def record(**properties: Schema) -> Schema:
    """An object with these keys and no others."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def items(of: Schema) -> Schema:
    """An array."""
    return {"type": "array", "items": of}


def by_name(values: Schema) -> Schema:
    """An object with keys of any name."""
    return {"type": "object", "additionalProperties": values}


def or_null(schema: Schema) -> Schema:
    """Also null."""
    return {"anyOf": [schema, {"type": "null"}]}


def ref(name: str) -> Schema:
    """One of the document's own definitions."""
    return {"$ref": f"#/$defs/{name}"}
