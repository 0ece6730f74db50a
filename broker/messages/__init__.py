"""Typed messages, the envelope they travel in, the catalogue of their kinds, and how they become bytes."""
