"""Detectors that learn to draw good parts anew, and find strange what they cannot draw."""
