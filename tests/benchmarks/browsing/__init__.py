"""Chromium for benchmarks: the clock runs inside the page, so that the driver's way there does not count.

Peers are opened from their own environments by `python -m tests.benchmarks.browsing`, run with our interpreter:
playwright need not be installed beside them.
"""
