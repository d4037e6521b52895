"""The conformance kit on the layer of this distribution."""

from govcheck_smooth_abs.layer import SmoothAbs

from govcheck.plugin.testing import parametrize_with_checks


@parametrize_with_checks([SmoothAbs])
def test_conformance(check):
    check()
