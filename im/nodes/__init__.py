"""Nodes: how the processes of an installation know and reach each other.

A node is one process. `directory` says which nodes there are and which of them has what (in memory, or in Redis:
twins under one test suite); a `link` joins it with a channel layer, the node bus. The bus may lose, delay, double
and reorder: whoever listens repairs that (`im.feed` for stored changes, `presence.monitor` for presence).
"""
