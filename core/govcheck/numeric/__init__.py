"""Everything that runs in torch."""
