"""Networks as nested blocks, and the walk that composes their bounds."""
