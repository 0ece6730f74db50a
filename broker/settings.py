"""What can be set, where a value comes from, and whether it can ever be right.

A setting is named as its environment variable everywhere: in ``.env``, in errors and (case ignored, tables joined by ``_``)
in the TOML file of ``--config``. An environment variable wins over ``.env``, which wins over the TOML file.
"""

import os
import re
import tomllib
from pathlib import Path
from typing import Any, ClassVar, Literal, Self
from urllib.parse import SplitResult, urlsplit

from pydantic import Field, ValidationError, field_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from broker.errors import SettingError

CONFIG_VARIABLE = "INTERAPP_CONFIG"
"""Environment variable that ``--config FILE.toml`` sets, so that every settings class of the process sees the file."""

PASSWORD_IN_LOGIN = re.compile(r"^((?:[a-z][a-z0-9+.-]*:)?(?://)?[^:/@]*):(?!//).*@", re.IGNORECASE | re.DOTALL)
PLUGIN = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*", re.ASCII)
"""One name in INTERAPP_PLUGINS."""
PASSWORD_IN_QUERY = re.compile(r"([?&][a-z_]*password=)[^&]*", re.IGNORECASE)


class TomlSource(PydanticBaseSettingsSource):
    """Reads the values of one settings class from the TOML file of ``--config``, if there is one."""

    def __init__(self, settings: type[BaseSettings], file: str | None) -> None:
        super().__init__(settings)
        self._values = read_toml(Path(file)) if file else {}

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:  # noqa: ARG002 pydantic's signature
        """Return the value of one field (None when the file is silent), its name, and that it needs no JSON decoding."""
        prefix = self.config.get("env_prefix") or ""
        return self._values.get(f"{prefix}{field_name}".upper()), field_name, False

    def __call__(self) -> dict[str, Any]:
        """Return every value of the file that belongs to the settings class; refuse its unknown names."""
        prefix = (self.config.get("env_prefix") or "").upper()
        known = {f"{prefix}{name}".upper(): name for name in self.settings_cls.model_fields}
        for name, value in self._values.items():
            if prefix and name.startswith(prefix) and name not in known:
                raise SettingError(name, value, f"no such setting; known are {', '.join(sorted(known))}")
        return {field: self._values[name] for name, field in known.items() if name in self._values}


class EnvironmentSettings(BaseSettings):
    """Base of every settings class: environment, ``.env``, then the TOML file of ``--config``."""

    model_config = SettingsConfigDict(env_file=".env", env_file_encoding="utf-8", extra="ignore", frozen=True)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 pydantic's signature
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Put the sources in the order of the module's docstring."""
        toml = TomlSource(settings_cls, os.environ.get(CONFIG_VARIABLE))
        return init_settings, env_settings, dotenv_settings, toml

    @classmethod
    def load(cls, **given: Any) -> Self:
        """Read and check the settings; what is ``given`` under its field's name wins over every source.

        Raises SettingError for the first value that can never be right.
        """
        try:
            return cls(**given)
        except ValidationError as exc:
            raise _setting_error(cls, exc) from exc


def read_toml(file: Path) -> dict[str, Any]:
    """Return the file's values under their environment names: ``[lantime] url`` is ``LANTIME_URL``.

    Raises SettingError when the file cannot be read or is not TOML.
    """
    try:
        tree = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as exc:
        raise SettingError("--config", str(file), f"a readable TOML file ({exc.strerror})") from exc
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
        raise SettingError("--config", str(file), f"a TOML file ({exc})") from exc
    return dict(_flatten(tree))


def _flatten(tree: dict[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    flat: list[tuple[str, Any]] = []
    for key, value in tree.items():
        name = f"{prefix}{key}".upper().replace("-", "_")
        flat += _flatten(value, f"{name}_") if isinstance(value, dict) else [(name, value)]
    return flat


def _setting_error(settings: type[BaseSettings], exc: ValidationError) -> SettingError:
    """Name the setting as the user wrote it; a secret's value is never shown."""
    first = exc.errors(include_url=False)[0]
    field = str(first["loc"][0]) if first["loc"] else ""
    prefix = settings.model_config.get("env_prefix") or ""
    secret = "password" in field
    value: object = "********" if secret else first.get("input")
    if isinstance(value, str):
        value = redacted(value)
    message = first["msg"].removeprefix("Value error, ")
    return SettingError(f"{prefix}{field}".upper(), value, message[:1].lower() + message[1:])


def checked_url(value: str, schemes: tuple[str, ...], *, host_needed: bool = True) -> SplitResult:
    """Split a URL and refuse what can never be right: its scheme, a missing host, a port out of range.

    Raises ValueError that says what is allowed.
    """
    parts = urlsplit(value)
    if parts.scheme not in schemes:
        allowed = ", ".join(f"{scheme}://" for scheme in schemes)
        raise ValueError(f"the scheme must be one of {allowed}")
    try:
        port = parts.port
    except ValueError:
        raise ValueError("the port must be a number from 1 to 65535") from None
    if port == 0:
        raise ValueError("the port must be a number from 1 to 65535")
    if host_needed and not parts.hostname:
        raise ValueError(f"a host is missing, as in {parts.scheme}://host")
    return parts


def redacted(url: str) -> str:
    """Return the URL without its passwords, for logs, tables and errors; it need not be a URL that can be right."""
    return PASSWORD_IN_LOGIN.sub(r"\1:***@", PASSWORD_IN_QUERY.sub(r"\1***", url))


def plugin_names(value: str) -> list[str]:
    """Return the names in a value of INTERAPP_PLUGINS."""
    return [name for part in value.split(",") if (name := part.strip())]


class InterAppSettings(EnvironmentSettings):
    """Settings of every interapp process (``INTERAPP_…``)."""

    model_config = SettingsConfigDict(env_prefix="INTERAPP_")

    broker_url: str = "memory://"
    """RabbitMQ's URL (``amqp://user:password@host:port/vhost`` or ``amqps://``), or ``memory://`` within one process."""
    database_url: str = "sqlite:///interapp.db"
    """The handler table: ``sqlite:///file`` or ``postgresql://user:password@host:port/name``."""
    log_format: Literal["console", "json"] = "console"
    """How log lines look on stderr."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """The least severity that is logged."""
    http_host: str = "127.0.0.1"
    """Address that ``/livez``, ``/readyz`` and ``/metrics`` listen on."""
    http_port: int | None = Field(default=None, ge=1, le=65535)
    """Port of ``/livez``, ``/readyz`` and ``/metrics``; unset: no HTTP."""
    lease_seconds: float = Field(default=10.0, ge=1.0, le=600.0)
    """How long a holder must be seen idle before its lease may be taken without proof of its death."""
    message_max_bytes: int = Field(default=1024 * 1024, ge=1024, le=16 * 1024 * 1024)
    """Largest body that is sent or handled, in bytes; a larger one ends as ``failed (invalid)``."""
    plugins: str = ""
    """Handler registries to try out beside those of installed packages: ``module:attribute``, several joined by commas."""
    prefetch: int = Field(default=200, ge=1, le=10_000)
    """Deliveries that RabbitMQ hands to one app before it waits for an acknowledgement."""
    retention_days: int = Field(default=30, ge=0, le=36_500)
    """Handlers that ended this many days ago are purged; 0: however old, they stay."""
    retention_rows: int = Field(default=1_000_000, ge=0)
    """Of more handlers than this the oldest that ended are purged; 0: however many, they stay."""

    schemes: ClassVar[tuple[str, ...]] = ("memory", "amqp", "amqps")

    @field_validator("broker_url")
    @classmethod
    def _broker_url(cls, value: str) -> str:
        checked_url(value, cls.schemes, host_needed=not value.startswith("memory:"))
        return value

    @field_validator("database_url")
    @classmethod
    def _database_url(cls, value: str) -> str:
        parts = checked_url(value, ("sqlite", "postgresql"), host_needed=False)
        if parts.scheme == "sqlite" and (not value.startswith("sqlite:///") or not parts.path.strip("/")):
            raise ValueError("a SQLite database is named by its file: sqlite:///interapp.db or sqlite:////full/path.db")
        if parts.scheme == "postgresql" and not parts.path.strip("/"):
            raise ValueError("a database name is missing, as in postgresql://host/name")
        return value

    @field_validator("plugins")
    @classmethod
    def _plugins(cls, value: str) -> str:
        for name in plugin_names(value):
            if not PLUGIN.fullmatch(name):
                raise ValueError(f"{name!r} is no module:attribute, as in door_alarm.handlers:handlers")
        return value

    @property
    def in_memory(self) -> bool:
        """Whether messages travel within this process only."""
        return self.broker_url.startswith("memory:")
