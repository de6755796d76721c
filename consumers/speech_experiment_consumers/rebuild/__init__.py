"""Rebuilding a projection: the next version is filled from offset 0 in bulk, compared, and made live."""
