"""The application server: uvicorn, with a connection pool for what waits.

Promises that a violation of RFC 6455 ends with its own close code, and that on SIGTERM the address is given up first,
then every client is told to come back, and everything submitted is stored before the process ends.
"""

import asyncio
import contextlib
import gc
import logging
import os
import signal
import socket
from collections.abc import Callable, Iterator

import uvicorn
from channels.routing import get_default_application
from django.core.management.base import CommandError

from avchat.ops.http import HttpProtocol
from avchat.ops.processes import supervise
from avchat.work import clock
from im import node, pool

BACKLOG = 2048
KEEP_ALIVE_S = 75
"""How long a connection waits for its next request, in seconds: longer than proxies do."""
DRAIN_S = 2.0
"""How long connections get to see the close frame when the server ends, in seconds."""
REQUESTS_S = 5
"""How long requests get to be answered after that, in seconds."""


class Server(uvicorn.Server):
    """uvicorn's server, with the node and the pool of its process. `ready` is called when it listens."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], object]) -> None:
        super().__init__(config)
        self._ready = ready
        self._tasks: set[asyncio.Task[object]] = set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """SIGTERM and SIGINT end the server, and are no reason to die of once it has ended."""
        loop = asyncio.get_running_loop()
        for name in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(name, self._stop)
        yield

    def _stop(self) -> None:
        self.should_exit = True

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begins to listen."""
        # What hangs on the node's beginning is there before the first connection.
        await node.current().linked()
        pool.current().back = self._take_back
        await super().startup(sockets)
        clock.start()
        self._ready()

    async def on_tick(self, counter: int) -> bool:
        """Looks after clients that take too long, once a second."""
        if counter % 10 == 0:
            now = asyncio.get_running_loop().time()
            for connection in self._http():
                connection.look(now)
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Ends in good order."""
        for server in self.servers:
            server.close()
        for listener in sockets or ():
            listener.close()
        running, connections = node.current(), pool.current()
        running.drain()
        # A connection that is kept, as proxies do, takes no more requests; those under way are answered.
        for connection in self._http():
            connection.shutdown()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_S):
                await connections.empty()
        connections.clear()
        await super().shutdown(sockets)
        await asyncio.to_thread(clock.stop)
        await running.close()
        connections.stop()

    def _http(self) -> list[HttpProtocol]:
        return [each for each in self.server_state.connections if isinstance(each, HttpProtocol)]

    def _take_back(self, fd: int) -> None:
        """A connection whose response has been waited for in the pool is ready for the next request."""
        if node.current().draining:
            os.close(fd)
            return
        task = asyncio.get_running_loop().create_task(self._serve_again(socket.socket(fileno=fd)))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve_again(self, connection: socket.socket) -> None:
        def protocol() -> HttpProtocol:
            return HttpProtocol(self.config, self.server_state, {})

        with contextlib.suppress(OSError):
            await asyncio.get_running_loop().connect_accepted_socket(protocol, connection)


def serve(host: str, port: int, *, processes: int = 1, ready: Callable[[], object]) -> None:
    """Serves the product until SIGTERM or SIGINT. `ready` is called when it listens.

    Raises:
        CommandError: where the address is taken or not ours.
    """
    sockets = [_listener(host, port, shared=processes > 1) for _ in range(processes)]
    # Told to their clients as a status; what is at fault is theirs and not for the log.
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
    config = uvicorn.Config(
        get_default_application(),
        interface="asgi3",
        loop="uvloop",
        http=HttpProtocol,
        # Only that there is one: the protocol opens WebSockets itself.
        ws=asyncio.Protocol,
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=REQUESTS_S,
    )
    # What is loaded now stays for good, and is shared with the processes that are forked.
    gc.collect()
    gc.freeze()
    if processes == 1:
        Server(config, ready).run(sockets)
    else:
        supervise(sockets, lambda own: Server(config, lambda: None).run([own]), ready)


def _listener(host: str, port: int, *, shared: bool) -> socket.socket:
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if shared:
        # The kernel deals connections out evenly.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    try:
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise CommandError(f"Cannot listen on {host}:{port}: {error.strerror}.") from None
    return listener
