"""Our own measures, each on an embedded stack of its own."""
