"""The options that the load tools share, each checked and within bounds, and the plan that they make."""

import ipaddress
import os
import re
import socket
from argparse import ArgumentParser, ArgumentTypeError
from typing import Any

from avchat.ops.load.bounds import MAX_MEMBERS, MAX_RATE, number, whole
from avchat.ops.load.plan import MAX_PROCESSES, PREFIX, Impossible, Plan, processes_for
from avchat.ops.load.transports import LINKS
from avchat.tenants import directory

SECRET = "AVCHAT_SITE_SECRET"
"""The environment's name for a site's secret: what stands in a command line can be read by others."""
WORD = re.compile(r"[A-Za-z0-9_-]{1,40}")


def word(text: str) -> str:
    """Takes a word that is good in a member's id."""
    if not WORD.fullmatch(text):
        raise ArgumentTypeError(f"1 to 40 letters, digits, _ and - are needed, not {text!r}")
    return text


def endpoint(text: str) -> tuple[str, int]:
    """Takes HOST:PORT; [::1]:8000 for IPv6."""
    host, _, port = text.rpartition(":")
    if not host or not port.isascii() or not port.isdigit() or not 1 <= int(port) < 65_536:
        raise ArgumentTypeError(f"HOST:PORT is needed, for example 127.0.0.1:8000, not {text!r}")
    return host.strip("[]"), int(port)


def add(parser: ArgumentParser) -> None:
    """The options that say who comes, where to and how."""
    parser.add_argument("--site", required=True, type=word, metavar="KEY", help="the site whose members they are")
    parser.add_argument("--secret", help=f"the site's (default: {SECRET}, or this installation's database)")
    parser.add_argument(
        "--to", type=endpoint, default="127.0.0.1:8000", metavar="HOST:PORT", help="where to connect to, without TLS"
    )
    parser.add_argument("--members", type=whole(1, MAX_MEMBERS), default=1000, metavar="N")
    parser.add_argument("--transport", choices=list(LINKS), default="ws")
    parser.add_argument(
        "--come", type=number(0, MAX_RATE), default=0.0, metavar="RATE",
        help="members who come in a second (0: as fast as it goes)",
    )  # fmt: skip
    parser.add_argument(
        "--at-once", type=whole(1, 5000), default=50, metavar="N", help="hellos of a process that wait for an answer"
    )
    parser.add_argument(
        "--processes", type=whole(1, MAX_PROCESSES), metavar="N", help="default: as many as the limit of files asks for"
    )
    parser.add_argument("--prefix", type=word, default=PREFIX, help="members are called PREFIX0, PREFIX1 …")
    parser.add_argument(
        "--pid", type=whole(1, 2**22), action="append", default=[],
        help="a process of the server on this machine, whose use of it is told, with all below it; repeatable",
    )  # fmt: skip


def plan(options: dict[str, Any], **more: Any) -> Plan:
    """The plan that the options ask for.

    Raises:
        Impossible: there is no such site or host, or more processes are needed.
    """
    name, port = options["to"]
    secret = options["secret"] or os.environ.get(SECRET) or _known_secret(options["site"])
    return Plan(
        name=name,
        address=(_resolve(name, port), port),
        site=options["site"],
        secret=secret,
        members=options["members"],
        transport=options["transport"],
        come_rate=options["come"],
        at_once=options["at_once"],
        processes=processes_for(options["members"], options["processes"]),
        prefix=options["prefix"],
        **more,
    )


def _known_secret(key: str) -> str:
    site = directory.site(key)
    if site is None or not site.secrets:
        raise Impossible(f"This installation has no site {key} with a secret: name the secret in {SECRET}.")
    return list(site.secrets.values())[-1]


def _resolve(name: str, port: int) -> str:
    """The one address that is connected to."""
    try:
        found = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise Impossible(f"There is no host {name}: {error.strerror}.") from None
    addresses = sorted((str(each[4][0]) for each in found), key=lambda each: ipaddress.ip_address(each).version)
    return addresses[0]
