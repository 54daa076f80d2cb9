"""Load tools: many members from few processes, what they say to each other and whether it arrives, and what it costs.

`sockets` is the event loop, `network`, `wire` and `transports` the four ways to a server, `member` a client that comes
back by itself, `talk` and `presence` what members say, and `record` what each of them has to be told. `worker` is one
process of members, `fleet` all of them, `run` a run from its `plan` to its report. `machine` looks at the server's
side; `watch` does so again and again, and `graphs` draws it.
"""
