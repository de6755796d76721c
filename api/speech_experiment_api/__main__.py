"""`python -m speech_experiment_api`: one server process."""

from __future__ import annotations

from types import FrameType

import uvicorn
from starlette.applications import Starlette

from . import log
from .app import create_app
from .memory import keep_started
from .settings import ApiSettings


class Server(uvicorn.Server):
    """Ends live streams when asked to stop, so that it need not wait for their viewers."""

    def __init__(self, config: uvicorn.Config, app: Starlette) -> None:
        super().__init__(config)
        self._app = app

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        services = getattr(self._app.state, "services", None)
        if services is not None:
            services.stopping.set()
        super().handle_exit(sig, frame)


def main() -> None:
    settings = ApiSettings.load_or_exit()
    log.configure()
    app = create_app(settings)
    config = uvicorn.Config(
        app,
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
    keep_started()
    Server(config, app).run()


if __name__ == "__main__":
    main()
