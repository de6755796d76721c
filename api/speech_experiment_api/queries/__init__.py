"""Reads: the filter language, search, runs and experiments, curves, distinct values, leaderboards."""
