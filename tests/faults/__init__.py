"""Fault injection on the real stack, judged by one oracle."""
