"""The loader and the widget's files, as pages of other sites get them."""

import gzip
import json
import os
from pathlib import Path
from typing import Any

import brotli
import pytest
from django.test import Client
from pytest_django import Settings

from avchat.assets.delivery import preferred
from avchat.tenants import services
from avchat.tenants.models import Site

CHAT = "export const chat = 1;\n" * 100


@pytest.fixture
def dist(tmp_path: Path, settings: Settings) -> Path:
    """A small build of the widget."""
    files = {
        "loader": "loader.js",
        "chat": "chat.0a1b.js",
        "locale-en": "locale-en.22.js",
        "locale-ar": "locale-ar.33.js",
    }
    (tmp_path / "manifest.json").write_text(json.dumps({"source": "0", "files": files}))
    (tmp_path / "loader.js").write_text("(c=>{window.got=c})(__AVCHAT_CONFIG__);")
    (tmp_path / "chat.0a1b.js").write_text(CHAT)
    (tmp_path / "locale-en.22.js").write_text("export default {}")
    (tmp_path / "locale-ar.33.js").write_text("export default {}")
    (tmp_path / "notes.txt").write_text("not for anybody")
    settings.STATIC_DIST = tmp_path
    return tmp_path


@pytest.fixture
def site(db: None) -> Site:
    return services.create_site(account=None, name="Porchlight", guests=True)


def config(client: Client, site: Site, **headers: Any) -> dict[str, Any]:
    """The configuration in a site's loader."""
    script = client.get(f"/embed/{site.key}.js", **headers).content.decode()
    assert script.startswith("(c=>{window.got=c})(")
    found: dict[str, Any] = json.loads(script[len("(c=>{window.got=c})(") : -len(");")])
    return found


def test_the_loader_carries_the_sites_settings(client: Client, dist: Path, site: Site) -> None:
    assert config(client, site) == {
        "key": site.key,
        "name": "Porchlight",
        "base": "http://testserver",
        "chat": "/assets/chat.0a1b.js",
        "locales": {"en": "/assets/locale-en.22.js", "ar": "/assets/locale-ar.33.js"},
        "rtl": ["ar"],
        "guests": True,
        "accent": "#0b6e8f",
        "theme": "auto",
        "side": "end",
        "offset": 0,
        "panel": "closed",
        "phone": True,
        "shortcut": "Alt+Shift+C",
    }


def test_a_sites_own_look_is_in_its_loader_and_nothing_else_of_its_options(
    client: Client, dist: Path, site: Site
) -> None:
    site.options = {"accent": "#ffcc00", "panel": "open", "key": "pk_other"}
    site.save()
    found = config(client, site)
    assert (found["accent"], found["panel"], found["key"]) == ("#ffcc00", "open", site.key)


def test_the_base_is_the_public_address_where_one_is_set(
    client: Client, dist: Path, site: Site, settings: Settings
) -> None:
    settings.PUBLIC_URL = "https://chat.example/"
    assert config(client, site)["base"] == "https://chat.example"


@pytest.mark.parametrize("name", ["</script><script>alert(1)</script>", "a\u2028b\u2029c", "<!-- &amp; -->", '"\\'])
def test_a_sites_name_cannot_leave_the_loader(client: Client, dist: Path, site: Site, name: str) -> None:
    site.name = name
    site.save()
    assert config(client, site)["name"] == name
    script = client.get(f"/embed/{site.key}.js").content.decode()
    assert script.isascii()
    assert not {"<", ">", "&"} & set(script.partition("})(")[2])


@pytest.mark.parametrize("key", ["pk_nosuch", "x" * 100, "a'b", "a%22);alert(1)(%22", "%3C!--", "%00", "%ED%A0%80"])
def test_an_unknown_site_gets_a_script_that_only_warns(client: Client, dist: Path, db: None, key: str) -> None:
    response = client.get(f"/embed/{key}.js")
    assert response.status_code == 200
    assert response["Content-Type"] == "text/javascript; charset=utf-8"
    script = response.content.decode()
    assert script.startswith('console.warn("AVChat IM: there is no site with the key ')
    assert script.endswith('");\n')
    assert json.loads(script[len("console.warn(") : -len(");\n")])


def test_a_suspended_site_gets_a_script_that_only_warns(client: Client, dist: Path, site: Site) -> None:
    site.suspended = True
    site.save()
    assert client.get(f"/embed/{site.key}.js").content.startswith(b"console.warn(")


def test_where_nothing_is_built_the_console_says_so(
    client: Client, site: Site, settings: Settings, tmp_path: Path
) -> None:
    settings.STATIC_DIST = tmp_path / "nothing"
    response = client.get(f"/embed/{site.key}.js")
    assert response.status_code == 200
    assert b"not built" in response.content
    assert response["Cache-Control"] == "no-store"
    assert client.get("/assets/chat.0a1b.js").status_code == 503


def test_the_loader_may_be_kept_for_a_minute_and_is_open_to_every_page(client: Client, dist: Path, site: Site) -> None:
    response = client.get(f"/embed/{site.key}.js")
    assert response["Cache-Control"] == "public, max-age=60, stale-while-revalidate=86400"
    assert response["Vary"] == "Accept-Encoding"
    _check_open(response)


def test_a_loader_that_the_browser_has_is_not_sent_again(client: Client, dist: Path, site: Site) -> None:
    first = client.get(f"/embed/{site.key}.js")
    again = client.get(f"/embed/{site.key}.js", headers={"If-None-Match": first["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert again["ETag"] == first["ETag"]
    assert again["Vary"] == "Accept-Encoding"
    _check_open(again)
    services.set_guests(account=None, site=site, allowed=False)
    assert client.get(f"/embed/{site.key}.js", headers={"If-None-Match": first["ETag"]}).status_code == 200


def test_a_file_of_the_widget_is_kept_for_good(client: Client, dist: Path) -> None:
    response = client.get("/assets/chat.0a1b.js")
    assert response.content.decode() == CHAT
    assert response["Cache-Control"] == "public, max-age=31536000, immutable"
    assert response["Content-Type"] == "text/javascript; charset=utf-8"
    _check_open(response)


def test_a_head_request_is_answered(client: Client, dist: Path) -> None:
    assert client.head("/assets/chat.0a1b.js").status_code == 200
    assert client.post("/assets/chat.0a1b.js").status_code == 405


@pytest.mark.parametrize(
    "name",
    [
        "notes.txt",
        "manifest.json",
        "../manifest.json",
        "%2e%2e%2fsettings.py",
        "..%5csettings.py",
        "chat.js",
        "",
        "%00",
    ],
)
def test_nothing_is_served_but_what_the_manifest_lists(client: Client, dist: Path, name: str) -> None:
    assert client.get(f"/assets/{name}").status_code == 404


def test_the_loader_without_its_settings_is_served_to_nobody(client: Client, dist: Path) -> None:
    assert client.get("/assets/loader.js").status_code == 404


def test_a_page_with_a_loader_of_before_an_update_gets_todays_chat(client: Client, dist: Path) -> None:
    response = client.get("/assets/chat.ffff.js")
    assert (response.status_code, response["Location"]) == (302, "/assets/chat.0a1b.js")
    assert response["Cache-Control"] == "no-store"
    assert client.get("/assets/chat.ffff.css").status_code == 404


def test_a_new_build_is_served_without_a_restart(client: Client, dist: Path, site: Site) -> None:
    assert config(client, site)["chat"] == "/assets/chat.0a1b.js"
    manifest = json.loads((dist / "manifest.json").read_text())
    manifest["files"]["chat"] = "chat.beef.js"
    (dist / "chat.beef.js").write_text("new")
    (dist / "manifest.json").write_text(json.dumps(manifest))
    _touch_later(dist / "manifest.json")
    assert config(client, site)["chat"] == "/assets/chat.beef.js"
    assert client.get("/assets/chat.beef.js").content == b"new"


def test_each_browser_gets_the_encoding_that_it_takes(client: Client, dist: Path) -> None:
    def get(accepted: str) -> Any:
        return client.get("/assets/chat.0a1b.js", headers={"Accept-Encoding": accepted})

    assert brotli.decompress(get("gzip, deflate, br").content).decode() == CHAT
    assert gzip.decompress(get("gzip").content).decode() == CHAT
    assert "Content-Encoding" not in get("identity").headers
    assert get("br")["Content-Encoding"] == "br"
    assert len({get(accepted)["ETag"] for accepted in ("br", "gzip", "")}) == 3


@pytest.mark.parametrize(
    ("accepted", "encoding"),
    [
        ("", "identity"),
        ("br;q=0, gzip", "gzip"),
        ("BR", "br"),
        ("*", "br"),
        ("gzip;q=0.5, *;q=0", "gzip"),
        ("br;q=x, gzip", "gzip"),
        ("identity", "identity"),
        ("," * 1000 + "br", "identity"),
    ],
)
def test_an_accepted_encoding_is_understood(accepted: str, encoding: str) -> None:
    assert preferred(accepted) == encoding


def _check_open(response: Any) -> None:
    assert response["Access-Control-Allow-Origin"] == "*"
    assert response["Cross-Origin-Resource-Policy"] == "cross-origin"
    assert response["X-Content-Type-Options"] == "nosniff"
    assert "Set-Cookie" not in response.headers


def _touch_later(path: Path) -> None:
    """Two writes within one tick of the file system's clock are told apart."""
    stat = path.stat()
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns + 1_000_000_000))
