"""Measurements of kmad: `python -m benchmarks.NAME` runs one of them."""
