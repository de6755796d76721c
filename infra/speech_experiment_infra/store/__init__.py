"""The store process: one chDB folder, served over ClickHouse's HTTP interface on loopback.

Clients and SQL are the same as with a ClickHouse server, so nothing else in the system knows
which of the two it talks to.
"""
