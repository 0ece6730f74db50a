"""``interapp up``, and what every command that runs a service shares."""

import click

from broker.errors import InterAppError, SettingError
from broker.runtime import plugins
from broker.settings import InterAppSettings


@click.command()
def up() -> int:
    """Run every installed service in one process, until SIGTERM or Ctrl-C.

    The parent and its children talk over INTERAPP_BROKER_URL; memory:// (the default) needs no RabbitMQ.
    """
    # Loading the runtime takes longer than --help may.
    from broker.runtime.service import run_services  # noqa: PLC0415

    settings = InterAppSettings.load()
    names = plugins.names(plugins.APPS)
    if not names:
        raise InterAppError(f"there is nothing to run: no installed package has an entry point in {plugins.APPS}")
    return run_services(settings, [plugins.load(plugins.APPS, name) for name in names])


def require_shared_broker(settings: InterAppSettings, command: str) -> None:
    """Refuse ``memory://`` for a command whose peers are other processes. Raises SettingError that says what to set."""
    if settings.in_memory:
        raise SettingError(
            "INTERAPP_BROKER_URL",
            settings.broker_url,
            f"memory:// does not leave its process, so interapp {command} would reach nobody;"
            " set INTERAPP_BROKER_URL=amqp://user:password@host/vhost, or run all in one process with interapp up",
        )
