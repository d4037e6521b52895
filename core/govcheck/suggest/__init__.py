"""The smallest edits of an architecture that make a theorem apply, found by re-analysis."""
