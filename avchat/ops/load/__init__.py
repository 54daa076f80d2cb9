"""Load tools: many members from few processes, what they say to each other and whether it arrives, and what it costs.

`sockets` is the event loop, `wire` and `transports` the four ways to a server, `member` a client that comes back by
itself, `talk` what members say and `record` what each of them has to be told. `worker` is one process of members,
`fleet` all of them; `machine` and `graphs` look at the server's side.
"""
