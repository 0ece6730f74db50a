"""How a device wants its configuration to be written."""

import json
import re
import tomllib
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Self
from urllib.parse import quote

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue, ValidationError

from broker.errors import SettingError
from broker.messages.codec import problems

SETTING = "LANTIME_WRITE_PROFILE"

_PLACEHOLDER = re.compile(r"\{(\w*)\}")
_PLACES = {"chassis", "slot", "part"}


class Verb(StrEnum):
    """The verbs that may write."""

    PUT = "PUT"
    PATCH = "PATCH"
    POST = "POST"


class BodyForm(StrEnum):
    """What the settings are wrapped in."""

    BARE = "bare"
    PARAMETERS = "parameters"
    DATA = "data"


READ_ONLY = "read-only"
"""What is shown in place of a profile's name where nothing is written."""


def _name(value: str) -> str:
    if value == READ_ONLY:
        raise ValueError(f"a name other than {READ_ONLY}, which says that nothing is written")
    return value


def _path(value: str) -> str:
    if not value.startswith("/") or not value.isprintable() or set(value) & set(" ?#"):
        raise ValueError("a path from /api on, without blanks, ? and #")
    return value


def _template(value: str) -> str:
    _path(value)
    named = set(_PLACEHOLDER.findall(value))
    if "{slot}" not in value or not value.endswith("/{part}") or named - _PLACES:
        raise ValueError("a path with {slot} that ends with /{part}; {chassis} may be in it, nothing else in braces")
    return value


class Action(BaseModel):
    """A request that belongs to no module: its verb, path and JSON (None: no body)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    verb: Verb = Verb.PUT
    path: Annotated[str, AfterValidator(_path)]
    body: JsonValue = None


class WriteProfile(BaseModel):
    """Verb, paths and forms of a device's configuration API.

    Of the defaults only ``save`` is documented by the vendor. Everything else is invented: no public document, capture or
    program says how a LANTIME is written. Whoever knows better gives a file in ``LANTIME_WRITE_PROFILE``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, AfterValidator(_name)] = Field(default="default", pattern=r"^[a-z0-9][a-z0-9._-]{0,31}$")
    """Shown by ``interapp slots`` for every slot that is written by it."""
    verb: Verb = Verb.PUT
    path: Annotated[str, AfterValidator(_template)] = "/api/config/{chassis}/slots/{slot}/module/{part}"
    """Of a part of a module's configuration; without the part it gives the whole."""
    body: BodyForm = BodyForm.BARE
    commit: Action = Action(path="/api/commit")
    """Puts what is staged in force."""
    rollback: Action = Action(path="/api/rollback")
    """Drops what is staged."""
    save: Action = Action(path="/api/write", body={"parameters": {"package": "all"}})
    """Keeps what is in force over a restart."""

    @classmethod
    def load(cls, file: Path) -> Self:
        """Read a profile from TOML (``.toml``) or JSON; what the file does not name is as in the default.

        Raises SettingError that names the file and what is wrong in it.
        """
        try:
            content = file.read_text(encoding="utf-8")
            found: Any = tomllib.loads(content) if file.suffix.lower() == ".toml" else json.loads(content)
            return cls.model_validate({"name": file.stem.lower()} | found if isinstance(found, dict) else found)
        except OSError as exc:
            raise SettingError(SETTING, str(file), f"a readable file ({exc.strerror})") from exc
        except ValidationError as exc:
            raise SettingError(SETTING, str(file), f"a write profile ({problems(exc)})") from exc
        except (ValueError, RecursionError) as exc:
            raise SettingError(SETTING, str(file), f"a file in TOML (named .toml) or JSON ({exc})") from exc

    def path_of(self, chassis: str, slot: str, part: str = "") -> str:
        """Return the path of a part of a module's configuration; of the whole without a part."""
        places = {"chassis": chassis, "slot": slot, "part": part}
        filled = _PLACEHOLDER.sub(lambda found: quote(places[found[1]]), self.path)
        return filled.removesuffix("/") if not part else filled

    def wrapped(self, settings: JsonValue) -> JsonValue:
        """Return the JSON of a write."""
        return settings if self.body is BodyForm.BARE else {self.body.value: settings}
