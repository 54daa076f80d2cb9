"""Many members over WebSocket, in one process and at hardly any cost: raw sockets in an epoll set."""

import json
import os
import select
import socket
import time
from collections.abc import Callable

import jwt

from avchat.ops.load.wire import PONG, frame, upgrade

PING = b"\x89"
PATIENCE_S = 60.0


class Crowd:
    """Members m0, m1 … of one site. `members`: how many there will be."""

    def __init__(self, port: int, site: str, secret: str, members: int, prefix: str = "m") -> None:
        self.port = port
        self.sockets: dict[int, socket.socket] = {}
        self._epoll = select.epoll()
        until = int(time.time()) + 7200
        # Made beforehand, so that the signing is not measured.
        self._hellos = [
            frame(
                json.dumps(
                    {
                        "type": "hello",
                        "id": "h",
                        "site": site,
                        "token": jwt.encode(
                            {"aud": site, "sub": f"{prefix}{n}", "name": f"Member {n}", "exp": until}, secret, "HS256"
                        ),
                    }
                ).encode()
            )
            for n in range(members)
        ]

    def come(self, at_once: int) -> float:
        """Has all of them connect, `at_once` at a time; each is in when its hello is answered. Seconds that it took."""
        waiting = list(reversed(self._hellos))
        stage: dict[int, bytes | None] = {}
        begun = time.monotonic()
        answered = 0
        while answered < len(self._hellos):
            while waiting and len(stage) < at_once:
                # Addresses change, because each has a rate.
                n = len(waiting)
                made = socket.create_connection(("127.0.0.1", self.port), 30, (f"127.0.{n % 50}.{n % 200 + 1}", 0))
                made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                made.sendall(upgrade("127.0.0.1"))
                made.setblocking(False)
                fd = made.fileno()
                self.sockets[fd] = made
                stage[fd] = waiting.pop()
                self._epoll.register(fd, select.EPOLLIN)
            for fd, data in self.heard(PATIENCE_S):
                hello = stage.get(fd)
                if hello is not None:
                    assert data.startswith(b"HTTP/1.1 101"), data
                    os.write(fd, hello)
                    stage[fd] = None
                elif fd in stage:
                    assert b'"type":"ok"' in data, data
                    answered += 1
                    del stage[fd]
        return time.monotonic() - begun

    def echo(self, talkers: int, seconds: float, size: int = 100) -> float:
        """Has some of them ask (`ping`) whenever they were answered. Answers a second."""
        text = b'{"type":"ping","id":"1","x":""}'
        ping = frame(text[:-2] + b"x" * (size - len(text)) + text[-2:])
        fds = set(list(self.sockets)[:talkers])
        for fd in fds:
            os.write(fd, ping)
        count = 0
        begun = time.monotonic()
        end = begun + seconds
        while time.monotonic() < end:
            for fd, data in self.heard(1):
                if fd in fds and b'"ok"' in data:
                    count += 1
                    os.write(fd, ping)
        took = time.monotonic() - begun
        self.listen(0.5)
        return count / took

    def listen(self, seconds: float) -> None:
        """Takes what comes."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self.heard(left)

    def leave(self) -> None:
        """All of them go, without a word."""
        for made in self.sockets.values():
            made.close()
        self.sockets.clear()
        self._epoll.close()

    def heard(self, seconds: float) -> list[tuple[int, bytes]]:
        """What comes next, from all who say something. The server's pings are answered."""
        heard = []
        for fd, _ in self._epoll.poll(seconds, 512):
            data = os.read(fd, 65536)
            if not data:
                raise RuntimeError("a member was thrown out")
            at = data.rfind(PING)
            if at >= 0 and data[at + 1] == len(data) - at - 2:
                os.write(fd, frame(data[at + 2 :], PONG))
                data = data[:at]
            if data:
                heard.append((fd, data))
        return heard


def wait_for(condition: Callable[[], bool], seconds: float = PATIENCE_S) -> None:
    """Waits for something outside."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise RuntimeError("that took too long")
        time.sleep(0.1)
