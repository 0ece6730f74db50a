"""The middleware that installed packages bring."""

from broker.errors import InterAppError
from broker.runtime import plugins
from broker.runtime.middleware.middleware import Middleware

GROUP = "interapp.middleware"
"""Entry points: name -> a callable without arguments that returns a Middleware, as its class is."""


def load_middleware() -> list[Middleware]:
    """Return one of each, in the order of their names. Raises InterAppError that names the package of one that is none."""
    return [_made(name) for name in plugins.names(GROUP)]


def _made(name: str) -> Middleware:
    make = plugins.load(GROUP, name)
    whose = f"{name!r} ({GROUP}) of {plugins.whose(GROUP, name)}"
    try:
        made = make()
    except Exception as exc:
        raise InterAppError(f"{whose} cannot be made: {type(exc).__name__}: {exc}; repair or uninstall it") from exc
    if not isinstance(made, Middleware):
        raise InterAppError(f"{whose} makes no Middleware but a {type(made).__name__}; repair or uninstall it")
    return made
