"""What a check says, and how it is run."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from govcheck.plugin.guard import describe_error

Status = Literal["passed", "failed", "skipped", "expected failure"]


class CheckFailed(AssertionError):  # noqa: N818 - a finding, not a fault of the kit
    """A plugin does not do what it says; the text says what and where."""


class CheckSkipped(Exception):  # noqa: N818 - nothing is wrong
    """There is nothing to check, and why."""


@dataclass(frozen=True)
class Record:
    """The outcome of one check.

    Args:
        subject: what was checked: the plugin, with the example where there is one.
        check: name of the check.
        status: ``expected failure`` where the caller gave a reason and it failed indeed.
        message: what was found, or what is wrong.
        seconds: how long it took.
    """

    subject: str
    check: str
    status: Status
    message: str
    seconds: float

    @property
    def bad(self) -> bool:
        """Whether this is a fault of the plugin."""
        return self.status == "failed"


def record(
    subject: str, check: str, run: Callable[[], str], expected: Mapping[str, str]
) -> Record:
    """Run one check; whatever it raises counts against the plugin.

    Args:
        subject: for the record.
        check: for the record.
        run: returns a message or raises.
        expected: reasons why checks fail, by their names; such a check has to fail.
    """
    start = time.perf_counter()
    status: Status
    try:
        status, message = "passed", run()
    except CheckSkipped as skipped:
        status, message = "skipped", str(skipped)
    except CheckFailed as failed:
        status, message = "failed", str(failed)
    except Exception as error:
        status, message = "failed", describe_error(error)
    reason = expected.get(check)
    if reason is not None and status != "skipped":
        if status == "failed":
            status, message = "expected failure", f"{reason} ({message})"
        else:
            status, message = "failed", f"it was expected to fail ({reason}) and passed"
    return Record(subject, check, status, message, time.perf_counter() - start)
