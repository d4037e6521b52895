"""Results of papers computed again: what a key is, its verdict, and the reports."""
