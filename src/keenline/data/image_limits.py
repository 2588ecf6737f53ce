"""How large an image may be, as a number for what reads images and what draws on them."""

LARGEST_AREA = 200_000_000
"""Pixels; a 200-megapixel RGB image already takes 600 MB when decoded."""
