"""The contenders: one module each, whose ``main`` plays the roles ``publish``, ``handle``, ``serve`` and ``request``."""
