"""Torch modules as architectures."""

from govcheck.numeric.importing.check import Check as Check
from govcheck.numeric.importing.module import Imported as Imported
from govcheck.numeric.importing.module import from_torch as from_torch
from govcheck.numeric.importing.module import to_torch as to_torch
from govcheck.numeric.importing.problems import NotClaimedError as NotClaimedError
