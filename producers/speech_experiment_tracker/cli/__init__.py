"""The command `speech-tracker`."""

from __future__ import annotations


def main() -> None:
    """Runs the command line; exits with the code of the command."""
    from .root import run

    run()
