"""The file in which the simulated device keeps its startup configuration from one run to the next."""

import json
import os
from collections.abc import Collection, Mapping
from pathlib import Path
from tempfile import NamedTemporaryFile

from broker.errors import SettingError
from lantime.simulator.configuration import Tree
from lantime.simulator.limits import InvalidSetting
from lantime.simulator.staging import checked

_FORMAT = "interapp simulator state"
_VERSION = 1
_WAY_OUT = "name another file, or remove this one to begin with the factory configuration"


class StateFile:
    """A file of JSON: the model, and the saved configuration of every slot that was ever written.

    A file that does not exist is a device fresh from the factory.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def load(self, model: str, slots: Collection[str]) -> dict[str, Tree]:
        """Return the saved configurations by slot.

        Raises SettingError for a file that cannot be read, is no such state, is of another version or another model
        (``slots`` are this one's clock slots), or holds a setting that is out of its limits.
        """
        if not self._path.parent.is_dir():
            raise self._wrong(f"there is no folder {self._path.parent}")
        try:
            content = self._path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return {}
        except (OSError, UnicodeDecodeError) as exc:
            raise self._wrong(f"it cannot be read: {exc}") from exc
        try:
            found = json.loads(content)
        except (ValueError, RecursionError) as exc:
            raise self._wrong(f"it is broken or no JSON: {exc}") from exc
        if not isinstance(found, dict) or found.get("format") != _FORMAT:
            raise self._wrong(f"it is no state of a simulator: 'format' is not {_FORMAT!r}")
        if found.get("version") != _VERSION:
            raise self._wrong(f"it has version {found.get('version')!r}, and {_VERSION} is the only one known")
        if found.get("model") != model:
            raise self._wrong(f"it is of model {found.get('model')!r}, and this is an {model}")
        startup = found.get("startup")
        if not isinstance(startup, dict) or not startup.keys() <= set(slots):
            raise self._wrong(f"'startup' is no object of configurations by slot ({', '.join(slots)})")
        try:
            return {slot: checked(slot, tree) for slot, tree in startup.items()}
        except InvalidSetting as exc:
            raise self._wrong(f"startup: {exc}") from exc

    def save(self, model: str, startup: Mapping[str, Tree]) -> None:
        """Replace the file; the old one stays whole until the new one is. Raises OSError."""
        content = {"format": _FORMAT, "version": _VERSION, "model": model, "startup": startup}
        with NamedTemporaryFile(
            "w", encoding="utf-8", dir=self._path.parent, prefix=f".{self._path.name}.", delete=False
        ) as file:
            try:
                json.dump(content, file, indent=1)
                file.flush()
                os.fsync(file.fileno())
                Path(file.name).replace(self._path)
            except BaseException:
                Path(file.name).unlink(missing_ok=True)
                raise

    def _wrong(self, problem: str) -> SettingError:
        return SettingError("--state", str(self._path), f"{problem}; {_WAY_OUT}")
