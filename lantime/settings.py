"""How to reach the device: the ``LANTIME_…`` settings."""

import re
from pathlib import Path
from typing import Any

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import SettingsConfigDict

from broker.errors import SettingError
from broker.lifecycle.address import checked_address
from broker.settings import EnvironmentSettings, checked_url
from lantime.writing.profile import WriteProfile

_UNPRINTABLE = re.compile(r"[\s\x00-\x1f\x7f]")


class LantimeSettings(EnvironmentSettings):
    """Settings of every process that talks to a device (``LANTIME_…``). An empty value counts as unset.

    ``load()`` raises SettingError for the first value that can never be right; no password is ever in it.
    """

    model_config = SettingsConfigDict(env_prefix="LANTIME_", env_ignore_empty=True)

    url: str = Field(default="", validate_default=False)
    """The device: ``https://host``, ``http://host:8080``; a path before ``/api`` is allowed (reverse proxy).

    The chassis' service needs it; a slot's service without it knows what the chassis' service tells.
    """
    name: str = "m1000-a"
    """Address of the chassis service; a slot's address is this, a dot and the slot id."""
    username: str | None = None
    """Login of level ``info`` or higher. Without one every request is refused before it is sent."""
    password: SecretStr | None = None
    """Its password; or, better, a file in ``LANTIME_PASSWORD_FILE``."""
    password_file: Path | None = None
    """File that holds the password; read once, a trailing line break does not count."""
    verify_tls: bool = True
    """Whether the device's certificate must be trusted."""
    ca_file: Path | None = None
    """PEM file with the device's certificate or its authority, trusted instead of the system's."""
    bypass_proxy: bool = True
    """Whether proxies of the environment are ignored: a device is on the local network."""
    poll_seconds: float = Field(default=10.0, ge=1.0, le=86_400.0, allow_inf_nan=False)
    """Time from one poll to the next."""
    timeout_seconds: float = Field(default=5.0, ge=0.1, le=300.0, allow_inf_nan=False)
    """Longest wait for a connection and for each part of an answer."""
    write: bool = False
    """Whether a slot's service may write the configuration of its module."""
    write_profile: Path | None = None
    """TOML or JSON file that says how the device is written; without one, as ``WriteProfile`` guesses."""
    write_save: bool = False
    """Whether what was written is also kept over a restart of the device, unless the command says otherwise."""

    @property
    def verify(self) -> bool | Path:
        """What ``LantimeClient`` takes as ``verify``: the CA file, else whether to check at all."""
        return self.ca_file if self.verify_tls and self.ca_file else self.verify_tls

    @model_validator(mode="before")
    @classmethod
    def _password_from_file(cls, values: dict[str, Any]) -> dict[str, Any]:
        file = values.get("password_file")
        if not file or not isinstance(file, str | Path):
            return values
        if values.get("password"):
            raise SettingError("LANTIME_PASSWORD_FILE", str(file), "unset while LANTIME_PASSWORD is set")
        return values | {"password": _password_in(Path(file))}

    @field_validator("url")
    @classmethod
    def _url(cls, value: str) -> str:
        if "@" in value:
            # Not even the error may show it, and a login in a URL ends in logs and process lists.
            shown = f"{value.partition('://')[0]}://***@{value.rpartition('@')[2]}"
            raise SettingError("LANTIME_URL", shown, "no login in it; use LANTIME_USERNAME and LANTIME_PASSWORD")
        if _UNPRINTABLE.search(value):
            raise ValueError("no blanks or control characters")
        parts = checked_url(value, ("http", "https"))
        if parts.query or parts.fragment:
            raise ValueError("scheme, host, port and perhaps a path; no ? and no #")
        if re.search(r"/api(/|$)", parts.path):
            raise ValueError("the address without /api, which is added")
        return value.rstrip("/")

    @field_validator("name")
    @classmethod
    def _name(cls, value: str) -> str:
        return checked_address(value)

    @field_validator("username")
    @classmethod
    def _username(cls, value: str | None) -> str | None:
        if value and (":" in value or not value.isprintable()):
            raise ValueError("printable characters without ':', which HTTP Basic cannot carry")
        return value

    @field_validator("ca_file")
    @classmethod
    def _ca_file(cls, value: Path | None) -> Path | None:
        if value and not value.is_file():
            raise ValueError("an existing PEM file")
        return value

    @field_validator("write_profile")
    @classmethod
    def _write_profile(cls, value: Path | None) -> Path | None:
        if value:
            WriteProfile.load(value)
        return value


def _password_in(file: Path) -> str:
    try:
        password = file.read_text(encoding="utf-8").removesuffix("\n").removesuffix("\r")
    except OSError as exc:
        raise SettingError("LANTIME_PASSWORD_FILE", str(file), f"a readable file ({exc.strerror})") from exc
    except UnicodeDecodeError:
        # The cause would carry the file's bytes.
        raise SettingError("LANTIME_PASSWORD_FILE", str(file), "a text file in UTF-8") from None
    if not password:
        raise SettingError("LANTIME_PASSWORD_FILE", str(file), "a file that is not empty")
    return password
