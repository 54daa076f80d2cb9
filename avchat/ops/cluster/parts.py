"""The parts of a cluster and their commands: the ones that docker/ runs in containers, on addresses of this machine.

Everything listens on 127.0.0.1, on ports below those that the kernel gives to outgoing connections, and keeps
what it stores below the cluster's directory.
"""

import os
import random
import secrets
import shutil
import socket
import string
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from avchat.env import BASE
from avchat.ops.cluster.part import Part, at_once, logs, replies

HOST = "127.0.0.1"
PORTS = range(20_000, 32_000)
DOCKER = BASE / "docker"
DATABASE = "avchat"
WORKER_THREADS = 4
MEMORY_MB = 64

# A Redis restart empties the bus's server, and the nodes put it right by themselves: writing it down would bring back
# a picture of yesterday. What waits for a worker is there once only, so the broker's is written down.
# Neither may drop what it holds to make room for more: then it is better that writing fails.
BUS = ("--save", "", "--appendonly", "no", "--maxmemory-policy", "noeviction")
BROKER = ("--save", "", "--appendonly", "yes", "--appendfsync", "everysec", "--maxmemory-policy", "noeviction")
MEMCACHED = ("--memory-limit", str(MEMORY_MB), "--conn-limit", "4096")
CELERY = ("celery", "--app", "avchat")
# Threads, so that the process that is named is the one that does the work. It looks for no other workers at its start,
# which takes a second and tells it nothing that it needs.
ALONE = ("--without-gossip", "--without-mingle")
WORKER = (*CELERY, "worker", "--pool", "threads", "--concurrency", str(WORKER_THREADS), "--loglevel", "INFO", *ALONE)
BEAT = (*CELERY, "beat", "--loglevel", "INFO")
MIGRATE = ("python", "manage.py", "migrate", "--verbosity", "0")
SEED = ("python", "manage.py", "seed_demo")
SERVE = ("python", "manage.py", "serve", "--bind")

TOOLS = {
    "mariadbd": "mariadb-server-core",
    "mariadb-install-db": "mariadb-server-core",
    "my_print_defaults": "mariadb-client-core",
    "mariadb-dump": "mariadb-client",
    "redis-server": "redis-server",
    "memcached": "memcached",
    "nginx": "nginx",
    "setpriv": "util-linux",
}
"""Programs that a cluster needs, and Debian's packages that have them."""


def tool(name: str) -> str:
    """The path of a program; servers may be outside an ordinary user's path."""
    return shutil.which(name, path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/usr/local/sbin") or name


def missing() -> list[str]:
    """The Debian packages that have to be installed first."""
    return sorted({package for name, package in TOOLS.items() if not os.path.isabs(tool(name))})


def free_addresses(count: int) -> list[str]:
    """Addresses of this machine on which nobody listens."""
    found: list[socket.socket] = []
    try:
        for port in random.sample(PORTS, len(PORTS)):
            if len(found) == count:
                break
            listener = socket.socket()
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            found.append(listener)
            try:
                listener.bind((HOST, port))
                listener.listen()
            except OSError:
                found.pop().close()
        return [f"{HOST}:{listener.getsockname()[1]}" for listener in found]
    finally:
        for listener in found:
            listener.close()


def python(command: Sequence[str]) -> list[str]:
    """A command of the product with the interpreter that runs this."""
    name, *arguments = command
    return [sys.executable, *(["-m", name] if name == "celery" else []), *arguments]


@dataclass(slots=True)
class Layout:
    """Where everything of a cluster is: its directory, its addresses, its settings."""

    directory: Path
    nodes: int
    port: int
    password: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    addresses: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        names = ["mariadb", "redis", "broker", "memcached", *self.node_names]
        self.addresses = dict(zip(names, free_addresses(len(names)), strict=True))
        self.addresses["nginx"] = f"{HOST}:{self.port}"
        for name in ("log", "mariadb", "temporary", "broker", "nginx"):
            (self.directory / name).mkdir(parents=True, exist_ok=True)

    @property
    def node_names(self) -> list[str]:
        """The names of the nodes."""
        return [f"node{number}" for number in range(1, self.nodes + 1)]

    @property
    def url(self) -> str:
        """The origin of the service, as clients know it."""
        return f"http://{HOST}:{self.port}"

    @property
    def settings(self) -> dict[str, str]:
        """The environment of every process of the product."""
        at = self.addresses
        return {
            "AVCHAT_VAR": str(self.directory),
            "AVCHAT_DATABASE_URL": f"mysql://{DATABASE}:{self.password}@{at['mariadb']}/{DATABASE}",
            "AVCHAT_REDIS_URL": f"redis://{at['redis']}/0",
            "AVCHAT_BROKER_URL": f"redis://{at['broker']}/1",
            "AVCHAT_MEMCACHED": at["memcached"],
            "AVCHAT_TRUSTED_PROXIES": HOST,
            "AVCHAT_DEMO": "1",
        }

    def environment(self, **more: str) -> dict[str, str]:
        """The environment of a process: this one's, without its own settings of the product."""
        ours = ("AVCHAT_", "DJANGO_")
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
        return inherited | {"PYTHONUNBUFFERED": "1"} | more

    def part(self, name: str, address: str, command: Sequence[str], ready: object, **more: str) -> Part:
        """A part, with its log below the directory."""
        log = self.directory / "log" / f"{name}.log"
        return Part(name, address, command, ready, log, self.environment(**more))  # type: ignore[arg-type]


def stores(layout: Layout) -> list[Part]:
    """The services that everything else stands on."""
    return [mariadb(layout), redis(layout, "redis", BUS), redis(layout, "broker", BROKER), memcached(layout)]


def mariadb(layout: Layout) -> Part:
    """The database server, with a database and an account of its own. Its files are made where there are none."""
    data = layout.directory / "mariadb"
    # A server that starts deletes temporary tables in its directory for them, whosever they are: another server that
    # is using one crashes.
    own = {"TMPDIR": str(layout.directory / "temporary")}
    if not (data / "mysql").exists():
        install = [tool("mariadb-install-db"), "--no-defaults", f"--datadir={data}", *_as_root("--user=root")]
        install += ["--auth-root-authentication-method=normal", "--skip-test-db", "--skip-name-resolve"]
        subprocess.run(install, check=True, stdout=subprocess.DEVNULL, env=os.environ | own)
    # Run at each start, before anybody is let in.
    init = layout.directory / "mariadb.sql"
    init.touch(mode=0o600)
    init.write_text(
        f"CREATE DATABASE IF NOT EXISTS {DATABASE};\n"
        f"CREATE OR REPLACE USER {DATABASE} IDENTIFIED BY '{layout.password}';\n"
        f"GRANT ALL ON `{DATABASE}%`.* TO {DATABASE};\n"
    )
    host, _, port = layout.addresses["mariadb"].rpartition(":")
    command = [tool("mariadbd"), f"--defaults-file={DOCKER / 'mariadb.cnf'}", f"--datadir={data}"]
    # The socket's path is taken from the data directory: a path from the root may be longer than sockets' may be.
    command += [f"--bind-address={host}", f"--port={port}", "--socket=mariadb.sock", f"--init-file={init}"]
    command += [f"--pid-file={data / 'mariadb.pid'}", "--skip-name-resolve", *_as_root("--user=root")]
    greets = replies(b"", b"mysql_native_password")
    return layout.part("mariadb", layout.addresses["mariadb"], command, greets, **own)


def redis(layout: Layout, name: str, options: Sequence[str]) -> Part:
    """A Redis server."""
    host, _, port = layout.addresses[name].rpartition(":")
    command = [tool("redis-server"), "--bind", host, "--port", port, "--dir", str(layout.directory / "broker")]
    return layout.part(name, layout.addresses[name], [*command, *options], replies(b"PING\r\n", b"+PONG"))


def memcached(layout: Layout) -> Part:
    """The cache."""
    host, _, port = layout.addresses["memcached"].rpartition(":")
    command = [tool("memcached"), "--listen", host, "--port", port, *_as_root("--user=root"), *MEMCACHED]
    return layout.part("memcached", layout.addresses["memcached"], command, replies(b"version\r\n", b"VERSION"))


def nodes(layout: Layout) -> list[Part]:
    """The nodes. The members of the demo community live on the first."""
    found = []
    for name in layout.node_names:
        address = layout.addresses[name]
        request = f"GET /healthz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n".encode()
        own = {"AVCHAT_NODE": name, "AVCHAT_DEMO_BOTS": "1" if name == "node1" else "0"}
        command = python([*SERVE, address])
        found.append(layout.part(name, address, command, replies(request, b" 200 "), **layout.settings, **own))
    return found


def workers(layout: Layout) -> list[Part]:
    """The worker, and the clock that gives it work."""
    at = layout.addresses["broker"]
    schedule = ("--schedule", str(layout.directory / "beat"), "--pidfile", "")
    return [
        layout.part("celery", at, python(WORKER), logs(" ready."), **layout.settings),
        layout.part("beat", at, python([*BEAT, *schedule]), at_once, **layout.settings),
    ]


def nginx(layout: Layout) -> Part:
    """The proxy in front of the nodes."""
    directory = layout.directory / "nginx"
    servers = (f"server {layout.addresses[name]} max_fails=1 fail_timeout=1s;" for name in layout.node_names)
    values = {"AVCHAT_LISTEN": layout.addresses["nginx"], "AVCHAT_NODES": " ".join(servers)}
    (directory / "avchat.conf").write_text(fill((DOCKER / "nginx.conf.template").read_text(), values))
    temporary = "".join(f"  {kind}_temp_path {directory / kind};\n" for kind in TEMPORARY)
    (directory / "nginx.conf").write_text(
        f"{'user root;' if os.geteuid() == 0 else ''}\n"
        f"pid {directory / 'nginx.pid'};\nerror_log stderr warn;\n"
        "events { worker_connections 8192; }\n"
        "http {\n  access_log off;\n"
        # Which node answered: for those who try the cluster out.
        "  add_header X-Node $upstream_addr always;\n"
        f"{temporary}  include {directory / 'avchat.conf'};\n}}\n"
    )
    # One process, so that the one that is named does the work, and nothing listens any more when it is killed.
    command = [tool("nginx"), "-e", "stderr", "-p", str(directory), "-c", str(directory / "nginx.conf")]
    command += ["-g", "daemon off; master_process off;"]
    request = b"GET /healthz HTTP/1.0\r\n\r\n"
    return layout.part("nginx", layout.addresses["nginx"], command, replies(request, b"Server: nginx"))


TEMPORARY = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")


def fill(template: str, values: Mapping[str, str]) -> str:
    """The template with `${NAME}` replaced where `values` has the name; nginx has variables of its own."""
    return string.Template(template).safe_substitute(values)


def _as_root(*options: str) -> list[str]:
    """Options for servers that run as root only where they are told that this is meant: nobody else owns the files."""
    return list(options) if os.geteuid() == 0 else []
