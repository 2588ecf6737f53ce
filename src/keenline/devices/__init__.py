"""Cameras and PLCs: two ports, and one file for each make."""
