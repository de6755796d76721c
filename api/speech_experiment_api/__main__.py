"""`python -m speech_experiment_api`: one server process."""

from __future__ import annotations

import uvicorn

from . import log
from .app import create_app
from .settings import ApiSettings


def main() -> None:
    settings = ApiSettings()
    log.configure()
    uvicorn.run(
        create_app(settings),
        host=settings.host,
        port=settings.port,
        http="httptools",
        loop="uvloop",
        ws="none",
        access_log=False,
        log_config=None,
        server_header=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=5,
    )


if __name__ == "__main__":
    main()
