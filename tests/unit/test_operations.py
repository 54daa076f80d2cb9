"""docs/operations.md tells of every setting there is."""

import re

from tests.support.server import BASE

PAGE = (BASE / "docs" / "operations.md").read_text()
READ = re.compile(r"""(?:env(?:\.\w+)?|environ\.get)\(\s*"(AVCHAT_\w+)\"""")


def test_every_setting_is_described() -> None:
    files = [path for folder in ("avchat", "im", "presence", "p2pvideo") for path in (BASE / folder).rglob("*.py")]
    settings = {name for path in files for name in READ.findall(path.read_text())}
    assert len(settings) > 15
    table = PAGE[PAGE.index("## Settings") : PAGE.index("## Size")]
    described = set(
        re.findall(r"`(AVCHAT_\w+)`", "".join(line.split("|")[1] for line in table.splitlines() if "|" in line))
    )
    assert settings - described == set()


def test_every_command_is_one_that_there_is() -> None:
    commands = {path.stem for path in BASE.glob("**/management/commands/*.py") if ".venv" not in path.parts}
    named = set(re.findall(r"manage\.py ([a-z_]+)", PAGE))
    assert named - commands - {"migrate", "check", "runserver"} == set()
