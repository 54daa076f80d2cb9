"""`make cluster`: what it says of its parts, what comes back, what is left when it ends."""

import asyncio
import json
import os
import signal
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from websockets.exceptions import ConnectionClosed

from tests.support.client import Connection, Ended, HelloRefused
from tests.support.cluster import BACK_SECONDS, NODES, STOP_SECONDS, Cluster, until
from tests.support.http import http_client
from tests.support.site import TRANSPORTS, Site
from tests.support.wait import eventually

PARTS = [*(f"node{number}" for number in range(1, NODES + 1)), "mariadb", "redis", "broker", "memcached", "nginx"]
WORKERS = ["celery", "beat"]
# A word of each process's command line.
PROGRAMS = {
    "mariadb": "mariadbd",
    "redis": "redis-server",
    "broker": "redis-server",
    "memcached": "memcached",
    "nginx": "nginx",
    "celery": "celery",
    "beat": "celery",
}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Cluster:
    """Where a cluster's files are, so that only the first start makes them."""
    return Cluster(tmp_path_factory.mktemp("own"), nodes=1)


@pytest.fixture
def own_cluster(place: Cluster) -> Iterator[Cluster]:
    """A cluster that a test may end."""
    try:
        yield place.start()
    finally:
        place.stop()


def answers(address: str) -> bool:
    """Whether somebody listens there."""
    host, _, port = address.rpartition(":")
    with socket.socket() as probe:
        return probe.connect_ex((host, int(port))) == 0


def well(cluster: Cluster) -> bool:
    """Whether all that each node stands on answers it."""
    answers = [httpx.get(f"{node['url']}/readyz", trust_env=False) for node in cluster.state["nodes"]]
    return all(answer.json() == {"status": "ok"} for answer in answers)


def command_line(pid: int) -> str:
    """The command of a process."""
    return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()


def test_cluster_json_names_every_part_its_process_and_its_address(cluster: Cluster) -> None:
    state = cluster.state
    assert state["url"] == cluster.base
    assert len(state["nodes"]) == NODES
    for node in state["nodes"]:
        assert set(node) == {"name", "pid", "url"}
        assert f"manage.py serve --bind {node['url'].removeprefix('http://')}" in command_line(node["pid"])
        assert httpx.get(f"{node['url']}/readyz", trust_env=False).status_code == 200
    assert set(PROGRAMS) == set(state["services"])
    for name, service in state["services"].items():
        assert set(service) == {"pid", "address"}
        assert PROGRAMS[name] in command_line(service["pid"])
        assert answers(service["address"])
    assert len(set(cluster.pids.values())) == len(cluster.pids)


def test_only_the_owner_may_read_the_clusters_settings(cluster: Cluster) -> None:
    for name in ("cluster.env", "cluster.json"):
        assert stat.S_IMODE((cluster.var / name).stat().st_mode) == 0o600


def test_every_service_listens_on_this_machine_alone(cluster: Cluster) -> None:
    state = cluster.state
    ports = {int(service["address"].rpartition(":")[2]) for service in state["services"].values()}
    ports |= {int(node["url"].rpartition(":")[2]) for node in state["nodes"]}
    listening = [line.split()[1].split(":") for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    everywhere = {int(port, 16) for address, port in listening if address == "00000000"}
    assert not ports & everywhere


def test_the_databases_temporary_tables_are_in_a_place_of_its_own(cluster: Cluster) -> None:
    """Another server on the machine deletes what it finds in the common one when it starts."""
    ask = "from django.db import connection as c; s = c.cursor(); s.execute('SELECT @@tmpdir'); print(s.fetchone()[0])"
    assert cluster.var in Path(cluster.manage("shell", "--verbosity", "0", "--command", ask)).parents


@pytest.mark.parametrize("part", [*PARTS, *WORKERS])
async def test_a_part_that_is_killed_is_back_and_told_of(cluster: Cluster, part: str) -> None:
    before = cluster.send(part, signal.SIGKILL)
    now = await cluster.back(part, before, BACK_SECONDS)
    assert command_line(now)
    await until(lambda: well(cluster), "not well", BACK_SECONDS)


@pytest.mark.parametrize("part", [*PARTS, *WORKERS])
async def test_a_part_that_is_told_to_end_is_back_and_told_of(cluster: Cluster, part: str) -> None:
    before = cluster.send(part, signal.SIGTERM)
    await cluster.back(part, before, BACK_SECONDS)
    await until(lambda: well(cluster), "not well", BACK_SECONDS)


def test_commands_run_against_the_cluster_with_its_settings_file(cluster: Cluster) -> None:
    made = json.loads(cluster.manage("create_site", "Made by hand", "--json"))
    token = cluster.manage("member_token", made["key"], "ann")
    hello = {"type": "hello", "id": "1", "site": made["key"], "token": token}
    reply = httpx.post(f"{cluster.base}/im/v1/sessions", json=hello, trust_env=False).json()
    assert reply["member"]["id"] == "ann"


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_members_chat_through_nginx(cluster: Cluster, transport: str) -> None:
    site = Site(cluster, transport=transport)
    ann, bob = await site.join("ann"), await site.join("bob")
    conversation = (await ann.send("bob", "hello"))["conversation"]
    await bob.event("message", body="hello")
    await bob.say(conversation, "hello yourself")
    await ann.event("message", body="hello yourself")
    await site.leave()


async def test_a_stream_through_nginx_says_things_as_they_happen(cluster: Cluster) -> None:
    site = Site(cluster, transport="ndjson")
    ann, bob = await site.join("ann", transport="ws"), await site.join("bob")
    for number in range(5):
        await ann.send("bob", str(number))
        # Each comes while the answer is still open.
        await bob.event("message", body=str(number))
    await site.leave()


def test_a_long_poll_of_55_seconds_is_not_cut_off_by_nginx() -> None:
    template = Path("docker/nginx.conf.template").read_text()
    events = template[template.index("/events$") :]
    assert "proxy_read_timeout 90s" in events[: events.index("}")]


async def test_a_post_of_a_mebibyte_passes_and_a_larger_one_is_refused_in_the_protocols_words(cluster: Cluster) -> None:
    site = Site(cluster, transport="poll")
    ann = await site.join("ann")
    path = f"{cluster.base}{ann.path}/frames"  # type: ignore[attr-defined]
    async with httpx.AsyncClient(trust_env=False) as client:
        ping = b'[{"type":"ping","id":"1"}' + b" " * (1024 * 1024 - 26) + b"]"
        answer = await client.post(path, content=ping)
        assert answer.status_code == 200, answer.text
        assert answer.json()[0]["type"] == "ok"
        for size in (1024 * 1024 + 1, 3 * 1024 * 1024):
            answer = await client.post(path, content=b" " * size)
            assert (answer.status_code, answer.json()["code"]) == (413, "too-large")
    await site.leave()


async def take_turns(cluster: Cluster) -> bool:
    """Whether nginx asks all nodes. One that was away is asked again after a moment."""
    async with httpx.AsyncClient(trust_env=False) as client:
        nodes = {(await client.get(f"{cluster.base}/healthz")).headers.get("x-node") for _ in range(2 * NODES)}
    return nodes == {node["url"].removeprefix("http://") for node in cluster.state["nodes"]}


async def test_the_nodes_take_turns(cluster: Cluster) -> None:
    await eventually(lambda: take_turns(cluster))


async def test_the_clients_address_is_the_one_that_nginx_saw(cluster: Cluster) -> None:
    """Failed hellos are counted by address: one who lies about its own uses up nobody else's."""
    hello = {"type": "hello", "id": "1", "site": "pk_none", "token": "x"}

    async def failing(address: str, said: str, times: int) -> set[int]:
        async with http_client(cluster.base, address) as client:
            headers = {"X-Forwarded-For": said}
            found: set[int] = set()
            for _ in range(0, times, 50):
                posts = [client.post("/im/v1/sessions", json=hello, headers=headers) for _ in range(min(times, 50))]
                found |= {answer.status_code for answer in await asyncio.gather(*posts)}
            return found

    # One address fails too often, whatever it says that it is; the one that it named has not failed.
    assert 429 in await failing("127.99.0.1", "127.99.0.2", 500 * NODES)
    assert await failing("127.99.0.2", "127.99.0.1", 1) == {401}


async def test_a_rolling_restart_loses_nothing_and_lets_every_request_through(cluster: Cluster) -> None:
    await eventually(lambda: take_turns(cluster))
    before = cluster.pids
    failed: list[object] = []
    ending = asyncio.Event()

    async def ask() -> None:
        async with httpx.AsyncClient(trust_env=False) as client:
            while not ending.is_set():
                answer = await client.get(f"{cluster.base}/readyz")
                if answer.status_code != 200:
                    failed.append(answer)

    asking = asyncio.create_task(ask())
    site = Site(cluster, transport="ws")
    members = {sub: await site.join(sub) for sub in ("ann", "bob", "cid", "dan")}
    command = await asyncio.to_thread(cluster_command, cluster, "cluster", "--restart")
    assert str(cluster.supervisor) in command
    for sub, member in members.items():
        closing = await member.event("closing")
        assert closing["retry_ms"] >= 0
        assert await member.ended() == 1012
        again = await come_back(site, sub, member)
        assert again.hello.get("resumed") is not False
    for name in cluster.node_names:
        await cluster.back(name, before[name])
    assert {name for name, pid in cluster.pids.items() if pid != before[name]} == set(cluster.node_names)
    ending.set()
    await asking
    assert failed == []
    await site.leave()


async def come_back(site: Site, sub: str, member: Connection) -> Connection:
    """Comes back as clients do: one that met the node in the moment in which it ended tries again."""
    while True:
        try:
            return await site.join(sub, resume=member.cursor)
        except (Ended, ConnectionClosed) as refused:
            code = refused.code if isinstance(refused, Ended) else getattr(refused.rcvd, "code", None)
            if code != 1012:
                raise
            await asyncio.sleep(0.1)


def cluster_command(cluster: Cluster, *arguments: str) -> str:
    """A command for the supervisor, which is found by the var/ directory that the cluster was started with."""
    environment = cluster.environment
    cluster.environment = {name: value for name, value in environment.items() if name != "AVCHAT_ENV_FILE"} | {
        "AVCHAT_VAR": str(cluster.var)
    }
    try:
        return cluster.manage(*arguments)
    finally:
        cluster.environment = environment


async def test_a_second_cluster_in_the_same_place_is_refused(cluster: Cluster) -> None:
    with pytest.raises(RuntimeError, match="already"):
        cluster_command(cluster, "cluster", "--port", str(cluster.port + 1))
    assert cluster.state["url"] == cluster.base


async def test_ctrl_c_ends_everything_and_leaves_no_process(own_cluster: Cluster) -> None:
    parts = own_cluster.pids
    assert len(own_cluster.left()) > len(parts)
    own_cluster.interrupt()
    await until(lambda: not own_cluster.left(), "processes are left", STOP_SECONDS)
    assert not (own_cluster.var / "cluster.json").exists()
    own_cluster.stop()


async def test_a_frozen_part_does_not_hold_up_the_end(own_cluster: Cluster) -> None:
    assert own_cluster.pids
    for part in ("node1", "mariadb", "celery"):
        own_cluster.send(part, signal.SIGSTOP)
    own_cluster.interrupt()
    await until(lambda: not own_cluster.left(), "processes are left", STOP_SECONDS)


async def test_nothing_outlives_a_supervisor_that_is_killed_and_the_next_one_starts(own_cluster: Cluster) -> None:
    made = json.loads(own_cluster.command("create_site", "Kept", "--json"))
    own_cluster.dismiss()
    os.kill(own_cluster.supervisor, signal.SIGKILL)
    await until(lambda: not own_cluster.left(), "processes are left", STOP_SECONDS)
    own_cluster.wait(STOP_SECONDS)
    # What it said of itself is out of date until the next one serves, and does not pass for it.
    (own_cluster.var / "cluster.json").unlink()
    own_cluster.start()
    assert own_cluster.manage("member_token", made["key"], "ann")


async def test_a_draining_node_refuses_no_member_that_nginx_sends_elsewhere(cluster: Cluster) -> None:
    site = Site(cluster, transport="ws")
    await eventually(lambda: take_turns(cluster))
    before = cluster.send("node1", signal.SIGTERM)
    cut: list[int | None] = []
    while cluster.pids["node1"] == before:
        try:
            member = await site.join("ann")
        except HelloRefused as refused:
            cut.append(refused.code)
            continue
        try:
            await member.ok("ping")
        except Ended as ended:
            assert member.unseen("closing")
            cut.append(ended.code)
        await member.drop()
    # One may have come in the moment before the node began to drain.
    assert cut in ([], [1012])
    await site.leave()
