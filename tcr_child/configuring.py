"""Whether and how a slot's service writes to the device."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Lock
from typing import Self

from broker.errors import RetryLater
from lantime.settings import LantimeSettings
from lantime.writing.profile import READ_ONLY, WriteProfile

_LOOK_SECONDS = 0.2
"""How often somebody who waits for his turn looks whether he is still wanted."""


@dataclass(frozen=True, slots=True)
class Configuring:
    """The write profile, whether it may be used, and the turn of those who do: the device counts staged changes as one."""

    profile: WriteProfile = field(default_factory=WriteProfile)
    enabled: bool = False
    save: bool = False
    """Whether what is written is kept over a restart unless a command says otherwise."""
    lock: Lock = field(default_factory=Lock, compare=False)

    @classmethod
    def from_settings(cls, settings: LantimeSettings) -> Self:
        """Return what the settings say. Raises SettingError for a profile that cannot be used."""
        profile = WriteProfile.load(settings.write_profile) if settings.write_profile else WriteProfile()
        return cls(profile, settings.write, settings.write_save)

    @property
    def shown(self) -> str:
        """What ``interapp slots`` shows: ``read-only``, or the profile's name."""
        return self.profile.name if self.enabled else READ_ONLY

    @contextmanager
    def turn(self, cancelled: Callable[[], bool]) -> Iterator[None]:
        """Have the device's staged changes to oneself, within this process. Raises RetryLater when told to stop meanwhile."""
        while not self.lock.acquire(timeout=_LOOK_SECONDS):
            if cancelled():
                raise RetryLater(0, "asked to stop while another slot was written")
        try:
            yield
        finally:
            self.lock.release()
