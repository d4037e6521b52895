"""Experiments of the papers: models, data, training and statistics, with sizes and seeds."""
