"""A whole installation on one machine: every service and several nodes, started, watched and ended together.

`parts` says what there is to run and how it is told that it answers, `supervisor` keeps it running.
"""
