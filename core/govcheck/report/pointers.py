"""Places in a document."""

from __future__ import annotations


def pointer(*keys: str | int) -> str:
    """A JSON pointer (RFC 6901)."""
    return "".join("/" + str(k).replace("~", "~0").replace("/", "~1") for k in keys)
