"""Telling a store that is away from an error of our own."""

from __future__ import annotations

import asyncpg

_POSTGRES = (
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.TooManyConnectionsError,
    asyncpg.InterfaceError,
)
_BY_NAME = {
    ("clickhouse_connect", "OperationalError"),
    ("aiokafka", "KafkaConnectionError"),
    ("aiokafka", "KafkaTimeoutError"),
    ("aiokafka", "NodeNotReadyError"),
    ("aiokafka", "RequestTimedOutError"),
    ("urllib3", "MaxRetryError"),
    ("urllib3", "ProtocolError"),
}


def is_outage(error: BaseException) -> bool:
    """Whether trying again later may help: a store was away, restarting or too slow."""
    if isinstance(error, (ConnectionError, TimeoutError, *_POSTGRES)):
        return True
    kinds = {(kind.__module__.partition(".")[0], kind.__name__) for kind in type(error).__mro__}
    return bool(kinds & _BY_NAME)
