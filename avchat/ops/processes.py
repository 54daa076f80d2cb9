"""Several serving processes under one that watches over them.

Each has a listening socket of its own on the same address. The watching process keeps all of them open, so that
connections which wait for a process that died are served by the one that takes its place.
"""

import logging
import os
import signal
import socket
import time
from collections.abc import Callable, Sequence

logger = logging.getLogger(__name__)

PAUSE_S = 1.0
"""How long a process must have lived for its successor to be started at once, in seconds."""
SIGNALS = (signal.SIGTERM, signal.SIGINT)


def supervise(
    sockets: Sequence[socket.socket], work: Callable[[socket.socket], None], ready: Callable[[], object]
) -> None:
    """Has each socket served by a process of its own until SIGTERM or SIGINT, which is passed on. Waits for all."""
    # Signals are waited for, not handled: nothing happens in between.
    signal.pthread_sigmask(signal.SIG_BLOCK, (*SIGNALS, signal.SIGCHLD))
    running = {_start(sockets, index, work): (index, time.monotonic()) for index in range(len(sockets))}
    ready()
    ending = False
    while running:
        arrived = signal.sigwait((*SIGNALS, signal.SIGCHLD))
        if arrived != signal.SIGCHLD and not ending:
            ending = True
            # The address is given up by all of them, so that a proxy goes elsewhere.
            for listener in sockets:
                listener.close()
            for pid in running:
                os.kill(pid, signal.SIGTERM)
        while running and (pid := os.waitpid(-1, os.WNOHANG)[0]):
            index, since = running.pop(pid, (None, 0.0))
            if index is None or ending:
                continue
            logger.error("Process %s ended and is replaced", pid)
            if (early := since + PAUSE_S - time.monotonic()) > 0:
                time.sleep(early)
            running[_start(sockets, index, work)] = (index, time.monotonic())


def _start(sockets: Sequence[socket.socket], index: int, work: Callable[[socket.socket], None]) -> int:
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, (*SIGNALS, signal.SIGCHLD))
        for other, listener in enumerate(sockets):
            if other != index:
                listener.close()
        work(sockets[index])
        status = 0
    except BaseException:
        logger.exception("A serving process failed")
    finally:
        os._exit(status)
