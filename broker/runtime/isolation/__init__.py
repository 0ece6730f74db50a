"""Isolated handlers: a process beside the worker that runs them, and is killed when it must be."""
