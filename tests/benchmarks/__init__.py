"""Our figures beside those of real peers, measured in one run: `python -m tests.benchmarks`."""
