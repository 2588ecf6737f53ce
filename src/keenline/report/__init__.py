"""Turns what was inspected into what people read: one HTML page, JSON, CSV and Parquet."""
