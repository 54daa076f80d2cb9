"""Conformance: what standards ask, case by case."""
