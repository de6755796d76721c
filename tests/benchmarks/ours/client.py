"""What a training loop feels of us, with a server that acknowledges."""

from __future__ import annotations

from tests.benchmarks.ours.stack import running_stack
from tests.benchmarks.peers import CLIENT, measure, own_python


def client(quick: bool) -> dict[str, float]:
    """The same measures as the peers', in the same kind of process."""
    figures: dict[str, float] = {}
    with running_stack() as stack:
        for name in CLIENT:
            figures |= measure(own_python(), "ours", name, quick, stack.environment)
    return figures
