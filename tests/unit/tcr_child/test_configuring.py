"""Whether and how a slot's service writes, and whose turn it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from broker.errors import RetryLater, SettingError
from lantime.settings import LantimeSettings
from tcr_child.configuring import Configuring


def settings(**fields: object) -> LantimeSettings:
    """Return settings with nothing of the environment but these."""
    return LantimeSettings.model_construct(**fields)


def test_read_only_is_shown_by_default() -> None:
    """Without LANTIME_WRITE a service is read-only, whatever profile is set."""
    assert Configuring().shown == "read-only"
    assert Configuring.from_settings(settings()).shown == "read-only"


def test_the_profile_is_shown_where_it_is_used(tmp_path: Path) -> None:
    """A service that writes is shown by the name of its profile."""
    file = tmp_path / "lab.toml"
    file.write_text('verb = "PATCH"\n', encoding="utf-8")
    configuring = Configuring.from_settings(settings(write=True, write_profile=file, write_save=True))
    assert (configuring.shown, configuring.profile.verb, configuring.save) == ("lab", "PATCH", True)
    assert Configuring.from_settings(settings(write=True)).shown == "default"


def test_a_profile_that_went_away_is_a_wrong_setting(tmp_path: Path) -> None:
    """A profile that cannot be read when the service starts is refused."""
    with pytest.raises(SettingError, match="LANTIME_WRITE_PROFILE"):
        Configuring.from_settings(settings(write_profile=tmp_path / "missing.json"))


def test_a_turn_is_given_back() -> None:
    """After a turn, also one that ended with an error, the next one has it."""
    configuring = Configuring()
    with pytest.raises(ValueError, match="broke"), configuring.turn(lambda: False):
        raise ValueError("broke")
    with configuring.turn(lambda: False):
        assert configuring.lock.locked()
    assert not configuring.lock.locked()


def test_whoever_is_told_to_stop_does_not_wait_for_his_turn() -> None:
    """Who waits while another slot is written and is told to stop gives up, to be handled again."""
    configuring = Configuring()
    with configuring.turn(lambda: False), pytest.raises(RetryLater), configuring.turn(lambda: True):
        pytest.fail("it was another's turn")
