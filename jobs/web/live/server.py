"""The server beneath the edge: uvicorn."""

import os
import shutil
import signal
import socket
from pathlib import Path

import uvicorn
from django.conf import settings
from uvicorn.supervisors import Multiprocess

from jobs.core import private
from jobs.supervisor import openfiles
from jobs.web.live.connections import BoundedProtocol

#: [s] that requests in flight have to finish at a stop.
_GRACE = 10


def serve(listening: socket.socket, workers: int = 1) -> int:
    """Serve on a bound socket until SIGTERM or SIGINT ends it in order; returns the exit status."""
    openfiles.raise_limit()
    if workers > 1:
        _share_counts()
    config = uvicorn.Config(
        ":".join(settings.ASGI_APPLICATION.rsplit(".", 1)),
        loop="uvloop",
        http=BoundedProtocol,
        ws="none",
        interface="asgi3",
        lifespan="on",
        workers=workers,
        log_config=None,
        access_log=False,
        server_header=False,
        # A header that says where a request came from is believed only of a proxy that was named.
        proxy_headers=bool(settings.TRUSTED_PROXIES),
        forwarded_allow_ips=settings.TRUSTED_PROXIES,
        timeout_graceful_shutdown=_GRACE,
        timeout_keep_alive=30,
    )
    if workers > 1:
        Multiprocess(config, sockets=[listening]).run()
        return 0
    for number in (signal.SIGTERM, signal.SIGINT):
        # uvicorn stops in order and then raises the signal again; an ordered stop is no failure.
        signal.signal(number, lambda *_: None)
    server = uvicorn.Server(config)
    server.run(sockets=[listening])
    return 0 if server.started else 1


def _share_counts() -> None:
    """Where the processes put what they count, for whichever answers /metrics; named before prometheus_client loads."""
    folder = Path(settings.VAR_DIR) / "metrics"
    shutil.rmtree(folder, ignore_errors=True)
    private.make_folder(folder)
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(folder)
