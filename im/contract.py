"""The contract as documents: tables for people, types for the widget, AsyncAPI for other clients' tools.

All three come from the frames themselves (`im.protocol`, `im.events`); nothing is written twice.
"""

import inspect
import json
from collections.abc import Set
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import msgspec
from msgspec import UNSET, Struct, UnsetType
from msgspec.structs import FieldInfo, fields

from im import dispatch, errors, events, protocol
from im.protocol import CLIENT_FRAMES, Frame, tag_of

SERVER_FRAMES: dict[str, type[Struct]] = {tag_of(cls): cls for cls in get_args(events.ServerFrame)}
REPLIES = {cls.__name__: cls for cls in vars(events).values() if isinstance(cls, type) and issubclass(cls, events.Ok)}
PARTS: list[type[Struct]] = [
    events.Member,
    events.Presence,
    events.Choice,
    events.ReadMark,
    events.System,
    events.Message,
    events.Conversation,
    protocol.Guest,
    protocol.Target,
    protocol.Tab,
]


def tables() -> str:
    """The contract's tables, in Markdown."""
    lines = ["### Client to server", "", "| type | fields | answer | effect |", "|---|---|---|---|"]
    cls: type[Struct]
    for name, frame in CLIENT_FRAMES.items():
        answer = f"ok: {frame.answer}" if frame.answer else "ok"
        lines.append(f"| `{name}` | {_columns(frame, skip={'id'})} | {answer} | {_summary(frame)} |")
    lines += ["", "### Server to client", "", "| type | fields | meaning |", "|---|---|---|"]
    for name, cls in SERVER_FRAMES.items():
        lines.append(f"| `{name}` | {_columns(cls)} | {_summary(cls)} |")
    lines += ["", "### Parts of frames", "", "| name | fields | meaning |", "|---|---|---|"]
    for cls in PARTS:
        lines.append(f"| {cls.__name__} | {_columns(cls)} | {_summary(cls)} |")
    lines += ["", "### Codes of errors", "", ", ".join(f"`{code}`" for code in get_args(errors.ErrorCode)) + ".", ""]
    return "\n".join(lines)


def typescript() -> str:
    """The frames as TypeScript types."""
    lines = ["// Generated from im/protocol.py and im/events.py by `manage.py contract`.", ""]
    lines.append(f"export type ErrorCode = {_ts(errors.ErrorCode)};\n")
    cls: type[Struct]
    for cls in PARTS:
        lines.append(_interface(cls.__name__, cls))
    for name, cls in CLIENT_FRAMES.items():
        lines.append(_interface(cls.__name__, cls, tag=name))
    lines.append(f"export type ClientFrame =\n  | {_alternatives(CLIENT_FRAMES)};\n")
    for name, cls in SERVER_FRAMES.items():
        lines.append(_interface(_event_name(cls), cls, tag=name))
    lines.append("export type ServerFrame =\n  | " + "\n  | ".join(map(_event_name, SERVER_FRAMES.values())) + ";\n")
    for name, cls in REPLIES.items():
        lines.append(_interface(name, cls, tag="ok"))
    return "\n".join(lines)


def asyncapi() -> str:
    """The contract as an AsyncAPI 3.0 document, in JSON."""
    kinds: dict[str, type[Struct]] = {**CLIENT_FRAMES, **SERVER_FRAMES}
    structs = [*kinds.values(), *REPLIES.values()]
    _, components = msgspec.json.schema_components(structs, ref_template="#/components/schemas/{name}")
    messages = {
        name: {"name": name, "summary": _summary(cls), "payload": {"$ref": f"#/components/schemas/{cls.__name__}"}}
        for name, cls in kinds.items()
    }

    def of(names: dict[str, Any]) -> list[dict[str, str]]:
        return [{"$ref": f"#/channels/im/messages/{name}"} for name in names]

    document = {
        "asyncapi": "3.0.0",
        "info": {"title": "AVChat IM", "version": "1", "description": inspect.getdoc(protocol)},
        "channels": {
            "im": {
                "address": "/im/v1/ws",
                "description": "WebSocket, subprotocol avchat.v1; the same frames over HTTP sessions.",
                "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in kinds},
            }
        },
        "operations": {
            "ask": {"action": "receive", "channel": {"$ref": "#/channels/im"}, "messages": of(CLIENT_FRAMES)},
            "tell": {"action": "send", "channel": {"$ref": "#/channels/im"}, "messages": of(SERVER_FRAMES)},
        },
        "components": {"messages": messages, "schemas": components},
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def unanswered() -> list[str]:
    """Types of frames that no service answers; there should be none but `hello`."""
    return [name for name, cls in CLIENT_FRAMES.items() if cls not in dispatch.routes and cls is not protocol.Hello]


def _summary(cls: type[Struct]) -> str:
    return " ".join((inspect.getdoc(cls) or "").split())


def _event_name(cls: type[Struct]) -> str:
    return cls.__name__ if cls.__name__.endswith(("Event", "Error")) else cls.__name__ + "Event"


def _alternatives(classes: dict[str, type[Frame]]) -> str:
    return "\n  | ".join(cls.__name__ for cls in classes.values())


def _columns(cls: type[Struct], skip: Set[str] = frozenset()) -> str:
    shown = []
    for field in fields(cls):
        if field.encode_name not in skip:
            optional = "?" if _optional(field) else ""
            shown.append(f"`{field.encode_name}{optional}`{_bounds(field.type)}")
    return ", ".join(shown)


def _bounds(kind: Any) -> str:
    """Bounds that a person reading the table wants to know."""
    for part in _flat(kind):
        if get_origin(part) is not Annotated:
            continue
        base, meta = get_args(part)[:2]
        if meta.max_length == 0:
            return " (none yet)"
        if meta.max_length is not None:
            of = "characters" if base is str else "items"
            return f" ({meta.min_length or 0} to {meta.max_length:,} {of})"
        if meta.le is not None and meta.le <= 1_000:
            return f" ({meta.ge} to {meta.le})"
    values = [value for part in _flat(kind) if get_origin(part) is Literal for value in get_args(part)]
    return " (" + ", ".join(f"`{value}`" for value in values) + ")" if 0 < len(values) < 8 else ""


def _flat(kind: Any) -> list[Any]:
    if get_origin(kind) in (Union, UnionType):
        return [part for each in get_args(kind) for part in _flat(each)]
    return [kind]


def _optional(field: FieldInfo) -> bool:
    return not field.required


def _interface(name: str, cls: type[Struct], tag: str | None = None) -> str:
    lines = [f"/** {_summary(cls)} */", f"export interface {name} {{"]
    if tag is not None:
        lines.append(f'  type: "{tag}";')
    for field in fields(cls):
        given = issubclass(cls, Frame) or UnsetType in get_args(field.type)
        optional = "?" if _optional(field) and given else ""
        lines.append(f"  {field.encode_name}{optional}: {_ts(field.type)};")
    return "\n".join([*lines, "}", ""])


def _ts(kind: Any) -> str:
    origin, args = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        return " | ".join(dict.fromkeys(_ts(arg) for arg in args if arg not in (UNSET, UnsetType)))
    if origin is Annotated:
        return _ts(args[0])
    if origin is Literal:
        return " | ".join(json.dumps(arg) for arg in args)
    if origin is list:
        item = _ts(args[0])
        return f"({item})[]" if " " in item else f"{item}[]"
    if origin is dict:
        return f"Record<string, {_ts(args[1])}>"
    plain = {str: "string", int: "number", float: "number", bool: "boolean", type(None): "null", Any: "unknown"}
    return plain.get(kind) or str(kind.__name__)
