"""Labelled defects turned into networks that learn every weight, in the same kind of bundle."""
