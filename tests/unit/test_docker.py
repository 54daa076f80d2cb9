"""docker/: it runs the commands that `make cluster` runs, so that the tests of the cluster say something about both."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from avchat.ops.cluster import parts
from tests.support.server import BASE

DOCKER = BASE / "docker"
COMPOSE: dict[str, Any] = yaml.safe_load((DOCKER / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
DOCKERFILE = (DOCKER / "Dockerfile").read_text()
OURS = ("migrate", "node", "worker", "beat")


def test_hadolint_finds_nothing() -> None:
    result = subprocess.run(
        [Path(sys.executable).with_name("hadolint"), DOCKER / "Dockerfile"], capture_output=True, text=True, check=False
    )
    assert (result.returncode, result.stdout) == (0, "")


def test_compose_is_what_its_specification_says() -> None:
    check = [Path(sys.executable).with_name("check-jsonschema"), "--builtin-schema", "vendor.compose-spec"]
    result = subprocess.run([*check, DOCKER / "compose.yaml"], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize(
    ("service", "command"),
    [
        ("migrate", parts.MIGRATE),
        ("node", (*parts.SERVE, "0.0.0.0:8000")),
        ("worker", parts.WORKER),
        ("beat", (*parts.BEAT, "--schedule", "/tmp/beat", "--pidfile", "")),
        ("redis", ("redis-server", *parts.BUS)),
        ("broker", ("redis-server", *parts.BROKER)),
        ("memcached", ("memcached", *parts.MEMCACHED)),
    ],
)
def test_compose_runs_what_the_cluster_runs(service: str, command: tuple[str, ...]) -> None:
    assert tuple(SERVICES[service]["command"]) == command


def test_the_manual_names_the_workers_command_and_no_other() -> None:
    manual = (BASE / "docs" / "operations.md").read_text()
    assert set(re.findall(r"celery [^`\n]*?\b(?:worker|beat)\b[^`\n]*", manual)) == {
        " ".join(parts.WORKER),
        " ".join(parts.BEAT),
    }


def test_the_image_alone_migrates_and_serves_as_the_cluster_does() -> None:
    [line] = re.findall(r"^CMD (.*)$", DOCKERFILE, re.MULTILINE)
    assert yaml.safe_load(line)[-1] == f"{' '.join(parts.MIGRATE)} && exec {' '.join(parts.SERVE)} 0.0.0.0:8000"


def test_compose_gives_the_settings_that_the_cluster_gives(tmp_path: Path) -> None:
    cluster = set(parts.Layout(tmp_path, nodes=1, port=1).settings) - {"AVCHAT_VAR", "AVCHAT_DEMO"}
    for name in OURS:
        assert cluster <= set(SERVICES[name]["environment"])


def test_nginx_and_mariadb_read_the_files_that_the_cluster_reads() -> None:
    for service in ("nginx", "mariadb"):
        mounted = [volume.split(":")[0] for volume in SERVICES[service]["volumes"]]
        [file] = [path for path in mounted if path.startswith("./")]
        assert (DOCKER / file).is_file()
    wanted = set(re.findall(r"\$\{(\w+)\}", (DOCKER / "nginx.conf.template").read_text()))
    assert wanted <= set(SERVICES["nginx"]["environment"])


def test_migrations_are_a_step_of_their_own_that_nodes_and_workers_wait_for() -> None:
    for name in ("node", "worker", "beat"):
        assert SERVICES[name]["depends_on"]["migrate"] == {"condition": "service_completed_successfully"}
    assert SERVICES["migrate"]["restart"] == "no"


def test_nothing_runs_as_root() -> None:
    assert re.findall(r"^USER (\S+)$", DOCKERFILE, re.MULTILINE)[-1] not in ("root", "0")
    for name, service in SERVICES.items():
        assert name in OURS or "unprivileged" in service["image"] or service["user"] != "root"


def test_every_service_that_stays_says_whether_it_is_well_and_is_waited_for_until_it_does() -> None:
    for name, service in SERVICES.items():
        own = service.get("healthcheck", {})
        assert name == "migrate" or "test" in own or (name == "node" and own == {} and "HEALTHCHECK" in DOCKERFILE)
        for other, how in service.get("depends_on", {}).items():
            assert how["condition"] == ("service_completed_successfully" if other == "migrate" else "service_healthy")


def test_a_worker_asks_itself_whether_it_is_well() -> None:
    [_, command] = SERVICES["worker"]["healthcheck"]["test"]
    assert "--destination celery@$$HOSTNAME" in command


def test_mail_can_be_set_up() -> None:
    for name in OURS:
        for setting in ("AVCHAT_EMAIL_URL", "AVCHAT_MAIL_FROM"):
            assert SERVICES[name]["environment"][setting].startswith(f"${{{setting}:-")


def test_everything_that_is_installed_is_locked() -> None:
    for line in re.findall(r"pip (?:install|wheel) (?:.|\\\n)*", DOCKERFILE):
        assert "--require-hashes" in line or "--no-index" in line
    for name in re.findall(r"^COPY (\S+\.lock) ", DOCKERFILE, re.MULTILINE):
        assert f"!{name}\n" in (BASE / ".dockerignore").read_text()


def test_only_nginx_is_reached_from_outside() -> None:
    assert [name for name, service in SERVICES.items() if "ports" in service] == ["nginx"]


def test_the_image_holds_every_package_of_the_product() -> None:
    for package in ("avchat", "im", "presence", "p2pvideo"):
        assert f"COPY {package} {package}\n" in DOCKERFILE
        assert f"!{package}\n" in (BASE / ".dockerignore").read_text()


def test_every_server_image_has_a_fixed_version() -> None:
    images = [service["image"] for name, service in SERVICES.items() if name not in OURS]
    assert all(re.search(r":\d+\.\d+", image) for image in images)
