"""The documents made from the frames: fresh, complete, and true to the frames."""

import json
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from im import contract
from im.cursor import LIFE_S, cursor, parse
from im.management.commands import contract as command


def test_the_generated_documents_are_fresh() -> None:
    call_command("contract", "--check")


def test_a_stale_document_fails_the_check(monkeypatch: pytest.MonkeyPatch) -> None:
    page: Path = next(iter(command.documents()))
    monkeypatch.setattr(command, "documents", lambda: {page: page.read_text() + "!"})
    with pytest.raises(CommandError, match=r"protocol\.md is stale"):
        call_command("contract", "--check")


def test_every_frame_but_hello_is_answered_by_a_service() -> None:
    assert contract.unanswered() == []


def test_the_asyncapi_document_has_a_schema_for_each_message_that_it_names() -> None:
    document = json.loads(contract.asyncapi())
    messages = document["components"]["messages"]
    assert len(messages) == len(contract.CLIENT_FRAMES.keys() | contract.SERVER_FRAMES.keys())
    for message in messages.values():
        name = message["payload"]["$ref"].rpartition("/")[2]
        schema = document["components"]["schemas"][name]
        assert message["name"] in schema["properties"]["type"]["enum"]


def test_a_cursor_reads_back_as_what_it_was() -> None:
    at = parse(cursor("Ab-_9", 123456789))
    assert at is not None
    assert (at.epoch, at.version, at.expired) == ("Ab-_9", 123456789, False)


def test_a_cursor_is_good_for_a_day_and_not_for_ever() -> None:
    at = parse(cursor("e", 1))
    assert at is not None
    assert not at._replace(minute=at.minute - 24 * 60).expired
    assert at._replace(minute=at.minute - int(LIFE_S / 60) - 1).expired


@pytest.mark.parametrize("text", ["", "x", "a.b", "a.b.c.d", "a.-1.0", "a.0.-1", "a.f" + "f" * 40 + ".0", "a.1.0\0"])
def test_what_is_no_cursor_is_none(text: str) -> None:
    assert parse(text) is None
