"""Input that no client should send, for tests that a service says so and goes on."""


def short(value: object) -> str:
    """A name for a test's parameter: its beginning."""
    return repr(value)[:30]


BAD_TEXT = {
    "an array": b"[1,2]",
    "a string": b'"ping"',
    "a number": b"7",
    "null": b"null",
    "an empty object": b"{}",
    "no type": b'{"id":"b"}',
    "a type that is a number": b'{"id":"b","type":7}',
    "a type that is null": b'{"id":"b","type":null}',
    "a type that is an object": b'{"id":"b","type":{}}',
    "an id that is a number": b'{"id":7,"type":"ping"}',
    "an id that is too long": b'{"id":"' + b"x" * 65 + b'","type":"ping"}',
    "a missing field": b'{"id":"b","type":"message.read"}',
    "a field of the wrong type": b'{"id":"b","type":"typing","conversation":{},"on":true}',
    "a word for a boolean": b'{"id":"b","type":"presence.idle","on":"yes"}',
    "a number for a boolean": b'{"id":"b","type":"presence.idle","on":1}',
    "a huge number": b'{"id":"b","type":"history","conversation":"c","limit":' + b"9" * 31 + b"}",
    "a fraction": b'{"id":"b","type":"history","conversation":"c","limit":1.5}',
    "infinity by exponent": b'{"id":"b","type":"history","conversation":"c","limit":1e999}',
    "an escaped NUL": b'{"id":"b","type":"members","query":"a\\u0000b"}',
    "a lone high surrogate": b'{"id":"b","type":"members","query":"a\\ud800b"}',
    "a lone low surrogate": b'{"id":"b","type":"members","query":"\\udc00"}',
    "surrogates in the wrong order": b'{"id":"b","type":"members","query":"\\udc00\\ud800"}',
    "deep arrays": b'{"id":"b","type":"members","query":' + b"[" * 5000 + b"]" * 5000 + b"}",
    "deep objects": b'{"id":"b","type":"ping","x":' + b'{"a":' * 5000 + b"1" + b"}" * 5000 + b"}",
}
"""JSON in UTF-8 that is no frame, by what is wrong with it."""

NOT_JSON = {
    "nothing": b"",
    "words": b"nonsense",
    "half a frame": b'{"type":"ping","id":"b"',
    "two frames": b'{"type":"ping"}{"type":"ping"}',
    "single quotes": b"{'type':'ping'}",
    "a raw NUL": b'{"type":"members","query":"\x00"}',
    "NaN": b'{"type":"history","conversation":"c","limit":NaN}',
    "deep and unclosed": b"[" * 60000,
}
"""UTF-8 that is not JSON."""
