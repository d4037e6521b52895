"""Measuring, at given weights and on given data, the quantities that the bounds speak of."""
