"""A MariaDB server of the tests' own: its data in a temporary folder, on a free port, with durable commits.

Promises that nothing of the system's MariaDB is read or touched, and that the server ends with the tests, even where
they are killed.
"""

import atexit
import contextlib
import ctypes
import functools
import getpass
import itertools
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import MySQLdb

from tests.support.server import free_port

START_SECONDS = 60
CHARSET = "CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_520_ci"
_names = itertools.count(1)
_libc = ctypes.CDLL(None)


class MariaDB:
    """`mariadbd` below `directory`; `options` are its own, such as `wait_timeout=1`."""

    def __init__(self, directory: Path, *options: str) -> None:
        self.directory = directory
        self.port = free_port()
        self.password = secrets.token_hex(8)
        self.log = directory / "mariadb.log"
        self._options = options
        # A server that starts deletes the temporary tables of all that share the directory for them with it.
        self._environment = os.environ | {"TMPDIR": str(directory)}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The process that does the work."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> "MariaDB":
        """Makes the data directory where there is none, starts the server and waits until it answers.

        Raises:
            RuntimeError: it ended, or did not answer within `START_SECONDS`; with the end of its log.
        """
        self.directory.mkdir(parents=True, exist_ok=True)
        data = self.directory / "data"
        fresh = not data.exists()
        if fresh:
            self._run("mariadb-install-db", "--auth-root-authentication-method=normal", "--skip-test-db")
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [
                    "/usr/sbin/mariadbd",
                    *self._arguments(),
                    f"--port={self.port}",
                    "--bind-address=127.0.0.1",
                    f"--socket={self.socket}",
                    f"--pid-file={self.directory / 'pid'}",
                    "--innodb-flush-log-at-trx-commit=1",
                    "--innodb-buffer-pool-size=1G",
                    "--innodb-log-file-size=512M",
                    "--performance-schema=OFF",
                    "--skip-name-resolve",
                    "--max-connections=300",
                    *(f"--{option}" for option in self._options),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._environment,
                preexec_fn=_die_with_parent,
            )
        self._await()
        if fresh:
            ways = [f"root@'{host}' IDENTIFIED BY '{self.password}'" for host in ("127.0.0.1", "localhost")]
            self.query(f"ALTER USER {', '.join(ways)}", password="")
        return self

    @property
    def socket(self) -> Path:
        """Where it listens besides its port."""
        return self.directory / "socket"

    def url(self, name: str) -> str:
        """The address of one of its databases, as settings take it."""
        return f"mysql://root:{self.password}@127.0.0.1:{self.port}/{name}"

    def create(self) -> str:
        """A fresh database; answers its address."""
        name = f"avchat_{next(_names)}"
        self.query(f"CREATE DATABASE {name} {CHARSET}")
        return self.url(name)

    def query(self, sql: str, *, database: str = "", password: str | None = None) -> list[tuple[Any, ...]]:
        """Runs a statement on a connection of its own; answers its rows."""
        connection = self.connect(database, password)
        try:
            cursor = connection.cursor()
            cursor.execute(sql)
            rows = list(cursor.fetchall())
            connection.commit()
            return rows
        finally:
            connection.close()

    def connect(self, database: str = "", password: str | None = None) -> Any:
        """A connection as the server's administrator."""
        return MySQLdb.connect(
            unix_socket=str(self.socket),
            user="root",
            password=self.password if password is None else password,
            database=database,
            charset="utf8mb4",
        )

    def connections(self, database: str) -> list[int]:
        """The ids of the connections to a database."""
        rows = self.query(f"SELECT id FROM information_schema.processlist WHERE db = '{database}' ORDER BY id")
        return [int(row[0]) for row in rows]

    def end(self, id: int) -> None:
        """Ends a connection, if there still is one of this id."""
        with contextlib.suppress(MySQLdb.OperationalError):
            self.query(f"KILL CONNECTION {id}")

    def follow(self, primary: "MariaDB") -> None:
        """Makes it a replica of `primary` from now on, by global transaction ids."""
        ((position,),) = primary.query("SELECT @@gtid_binlog_pos")
        self.query(f"SET GLOBAL gtid_slave_pos = '{position}'")
        self.query(
            f"CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT={primary.port}, MASTER_USER='root',"
            f" MASTER_PASSWORD='{primary.password}', MASTER_USE_GTID=slave_pos"
        )
        self.query("START SLAVE")

    def caught_up(self, primary: "MariaDB") -> bool:
        """Waits until it has all of the primary's changes of now; False where it does not get there."""
        ((position,),) = primary.query("SELECT @@gtid_binlog_pos")
        return self.query(f"SELECT MASTER_GTID_WAIT('{position}', {START_SECONDS})") == [(0,)]

    def kill(self) -> None:
        """Ends the process at once, as a crash would (SIGKILL)."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """Ends the server."""
        self._end(signal.SIGTERM)

    def _arguments(self) -> list[str]:
        return ["--no-defaults", f"--datadir={self.directory / 'data'}", f"--user={getpass.getuser()}"]

    def _run(self, program: str, *arguments: str) -> None:
        with self.log.open("ab") as log:
            command = [program, *self._arguments(), *arguments]
            subprocess.run(command, stdout=log, stderr=log, env=self._environment, check=True)

    def _await(self) -> None:
        assert self._process is not None
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                self.connect().close()
                return
            except MySQLdb.OperationalError as error:
                if error.args[0] == 1045:  # It answers: the password is the next thing to be set.
                    return
                time.sleep(0.05)
        self.stop()
        raise RuntimeError(f"MariaDB did not start:\n{self.log.read_text(errors='replace')[-4000:]}")

    def _end(self, how: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(START_SECONDS)
            self._process = None


@functools.cache
def shared() -> MariaDB:
    """The server that all tests of this process share, each with databases of its own."""
    directory = Path(tempfile.mkdtemp(prefix="avchat-mariadb-"))
    server = MariaDB(directory)
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    atexit.register(server.stop)
    return server.start()


def _die_with_parent() -> None:
    _libc.prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
    os.setpgid(0, 0)
