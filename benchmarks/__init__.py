"""Benchmarks: ratios within one run, against what the disk allows."""
