"""The report as LaTeX: a document, a fragment to \\input, or its macros alone."""

from govcheck.report.latex.page import FORMS, render

__all__ = ["FORMS", "render"]
