"""Architecture files: YAML text to `Architecture`, every error with its place."""

from govcheck.spec.document import load as load
from govcheck.spec.document import loads as loads
from govcheck.spec.formula import parse_formula as parse_formula
from govcheck.spec.lookup import Lookup as Lookup
from govcheck.spec.schema import schema as schema
from govcheck.spec.tokens import FormulaError as FormulaError
