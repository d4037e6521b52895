"""The conformance kit: declare a bound, and the kit tries to break it.

Three faces over one list of checks:

    records = check_layer(MyLayer)              # a list of `Record`

    @parametrize_with_checks([MyLayer])         # in a pytest file
    def test_conformance(check):
        check()

and ``govcheck plugin check NAME`` on the command line. The layer is tried on what its
class method `examples` returns. A search that finds nothing proves nothing; one that
crosses a bound refutes it.
"""

from govcheck.plugin.testing.case import QUICK as QUICK
from govcheck.plugin.testing.case import STANDARD as STANDARD
from govcheck.plugin.testing.case import THOROUGH as THOROUGH
from govcheck.plugin.testing.case import Case as Case
from govcheck.plugin.testing.case import Effort as Effort
from govcheck.plugin.testing.records import CheckFailed as CheckFailed
from govcheck.plugin.testing.records import CheckSkipped as CheckSkipped
from govcheck.plugin.testing.records import Record as Record
from govcheck.plugin.testing.runner import check_layer as check_layer
from govcheck.plugin.testing.runner import parametrize_with_checks as parametrize_with_checks
from govcheck.plugin.testing.theorems import check_theorem as check_theorem
