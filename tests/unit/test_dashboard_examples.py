"""The server-side examples of the dashboard are run, each by its own language."""

import os
import subprocess
import sys
from pathlib import Path

import jwt
import pytest

from avchat.dashboard.examples import EXAMPLES, Example, coloured
from avchat.tenants import services, tokens

# What is put below an example so that it prints a token of the member whose id and name are its arguments.
RUNS = {
    "python": ([sys.executable], "example.py", "import sys\nprint(chat_token(sys.argv[1], sys.argv[2]))\n"),
    "php": (["php"], "example.php", "echo chat_token($argv[1], $argv[2]);\n"),
    "node": (["node"], "example.mjs", "console.log(chatToken(process.argv[2], process.argv[3]));\n"),
    "ruby": (["ruby"], "example.rb", "puts chat_token(ARGV[0], ARGV[1])\n"),
}


def _run(example: Example, site_key: str, secret: str, folder: Path, member: str, name: str) -> str:
    command, file, call = RUNS[example.id]
    script = folder / file
    script.write_text(example.source(site_key) + "\n" + call)
    environment = {**os.environ, "AVCHAT_SECRET": secret, "LANG": "C.UTF-8"}
    done = subprocess.run([*command, script, member, name], env=environment, capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.mark.django_db
@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.id)
def test_an_example_mints_a_token_that_lets_the_member_in(example: Example, tmp_path: Path) -> None:
    site = services.create_site(account=None, name="Porchlight")
    _, secret = services.add_secret(account=None, site=site, label="")
    token = _run(example, site.key, secret, tmp_path, "42", 'Siobhán "O\'Byrne" 日本 🔭')
    claims = tokens.verify(site.key, token)
    assert (claims.sub, claims.name, claims.role) == ("42", 'Siobhán "O\'Byrne" 日本 🔭', "member")
    assert jwt.get_unverified_header(token) == {"alg": "HS256", "typ": "JWT"}
    assert jwt.decode(token, options={"verify_signature": False}).keys() == {"aud", "sub", "name", "exp"}


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.id)
def test_an_example_names_the_site_and_keeps_the_secret_out_of_the_code(example: Example) -> None:
    source = example.source("pk_mine")
    assert "pk_mine" in source
    assert "__SITE_KEY__" not in source
    assert "AVCHAT_SECRET" in source


def test_colours_change_nothing_of_the_code() -> None:
    assert (
        coloured('a < "b" # "c"')
        == 'a &lt; <span class="s">&quot;b&quot;</span> <span class="c"># &quot;c&quot;</span>'
    )
