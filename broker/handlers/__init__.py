"""Handlers: how they are registered, what they get, and what becomes of what they do. Decisions only, no I/O."""
