"""Three hosts in network namespaces: an edge with the services and the clients, and a node on each of the two others.

    edge  10.78.0.1 (database, proxy)  10.78.9.1 (Redis)
      ├── 10.78.1.1 ── 10.78.1.2  node1
      └── 10.78.2.1 ── 10.78.2.2  node2

Between a node and Redis alone packets can be made to vanish, as a network loses them: nobody is told. Nothing of it is
seen from outside, and nothing is left of it. Needs to be root.
"""

import contextlib
import ctypes
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

from avchat.ops.cluster import parts
from avchat.ops.cluster.part import Part
from tests.support.server import Installation, inherited

EDGE, REDIS = "10.78.0.1", "10.78.9.1"
NODES = {"node1": "10.78.1.2", "node2": "10.78.2.2"}
PORT = 8000
CLONE_NEWNET = 0x40000000
STOP_SECONDS = 5
_libc = ctypes.CDLL(None, use_errno=True)


class Hosts(Installation):
    """An installation over three hosts; `base` is its proxy, which is reached `inside` alone."""

    def __init__(self, var: Path) -> None:
        super().__init__()
        self.name = f"avchat-{os.getpid()}"
        self.base = f"http://{EDGE}:{PORT}"
        self.layout = parts.Layout(var, nodes=len(NODES), port=PORT)
        self.layout.addresses = {
            "mariadb": f"{EDGE}:3306",
            "redis": f"{REDIS}:6379",
            "broker": f"{EDGE}:6379",
            "memcached": f"{EDGE}:11211",
            "nginx": f"{EDGE}:{PORT}",
        } | {name: f"{address}:{PORT}" for name, address in NODES.items()}
        self.environment = inherited() | self.layout.settings | {"AVCHAT_HOSTS": EDGE}
        self._parts: list[Part] = []

    @contextlib.contextmanager
    def inside(self) -> Iterator[None]:
        """This thread, and what it starts, is on the edge."""
        with open("/proc/self/ns/net") as home:
            try:
                self._build()
                self._enter(f"/run/netns/{self.name}-edge")
                yield
            finally:
                if _libc.setns(home.fileno(), CLONE_NEWNET):
                    raise OSError(ctypes.get_errno(), "setns")
                for host in ("edge", *NODES):
                    subprocess.run(["ip", "netns", "delete", f"{self.name}-{host}"], check=False)

    async def start(self) -> None:
        """Starts everything; to be called inside."""
        stores = parts.stores(self.layout)
        for store in stores:
            if store.name in ("redis", "broker"):
                # Otherwise it answers its own host alone.
                store.command = [*store.command, "--protected-mode", "no"]
        await self._run(*stores)
        self.manage("migrate", "--verbosity", "0")
        nodes = parts.nodes(self.layout)
        for node in nodes:
            node.environment = {**node.environment, "AVCHAT_HOSTS": EDGE}
            node.command = ["ip", "netns", "exec", f"{self.name}-{node.name}", *node.command]
        await self._run(*nodes)
        await self._run(parts.nginx(self.layout))

    async def stop(self) -> None:
        """Ends everything that was started."""
        self.dismiss()
        for part in reversed(self._parts):
            await part.stop(STOP_SECONDS)

    def cut(self, node: str) -> None:
        """Lets nothing of what Redis says reach the node any more."""
        _ip("-n", f"{self.name}-edge", "rule", "add", "from", REDIS, "to", NODES[node], "blackhole")

    def heal(self, node: str) -> None:
        """Ends the cut."""
        _ip("-n", f"{self.name}-edge", "rule", "delete", "from", REDIS, "to", NODES[node], "blackhole")

    async def _run(self, *group: Part) -> None:
        for part in group:
            self._parts.append(part)
            await part.start()
        for part in group:
            assert await part.answers(), part.log.read_text()[-2000:]

    def _build(self) -> None:
        edge = f"{self.name}-edge"
        _ip("netns", "add", edge)
        _ip("-n", edge, "link", "set", "lo", "up")
        for address in (EDGE, REDIS):
            _ip("-n", edge, "address", "add", f"{address}/32", "dev", "lo")
        for name, address in NODES.items():
            host, link = f"{self.name}-{name}", f"to-{name}"
            gateway = address.removesuffix("2") + "1"
            _ip("netns", "add", host)
            _ip("-n", edge, "link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", host)
            _ip("-n", edge, "address", "add", f"{gateway}/30", "dev", link)
            _ip("-n", edge, "link", "set", link, "up")
            _ip("-n", host, "address", "add", f"{address}/30", "dev", "eth0")
            for device in ("lo", "eth0"):
                _ip("-n", host, "link", "set", device, "up")
            _ip("-n", host, "route", "add", "default", "via", gateway)

    def _enter(self, namespace: str) -> None:
        with open(namespace) as file:
            if _libc.setns(file.fileno(), CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), "setns", namespace)


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True)
