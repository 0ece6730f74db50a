"""A transport within one process: for ``memory://`` and for tests."""
