"""A LANTIME that does not exist: device state, the JSON it answers with, and an HTTP(S) server around it.

``from lantime.simulator.server import Simulator``; nothing is imported here, so that the command line can know the
command without loading a server.
"""
