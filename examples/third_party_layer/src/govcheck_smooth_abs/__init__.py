"""The activation smooth_abs for govcheck."""

from govcheck.plugin import Layer, hookimpl


@hookimpl
def govcheck_layers() -> list[type[Layer]]:
    """Layers of this plugin."""
    from govcheck_smooth_abs.layer import SmoothAbs

    return [SmoothAbs]
