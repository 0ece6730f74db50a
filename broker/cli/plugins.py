"""What other packages add by entry points. One that cannot be loaded is named and harms no other."""

from broker.runtime.entry_points import load, names

__all__ = ["APPS", "COMMANDS", "HANDLERS", "load", "names"]

APPS = "interapp.apps"
"""What ``interapp up`` runs: name -> callable that returns a Service."""

COMMANDS = "interapp.commands"
"""Commands beside the built-in ones: name -> click command."""

HANDLERS = "interapp.handlers"
"""Registries for the catalogue: name -> HandlerRegistry."""
