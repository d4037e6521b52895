"""The analysis document and its renderings."""
