"""Detectors that look closely only where a light gate has let them: patches first, pixels then."""
