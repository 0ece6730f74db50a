"""The LANTIME_… settings: what is allowed, and that a wrong one is named without giving a password away."""

from pathlib import Path

import pytest

from broker.errors import SettingError
from lantime.client import LantimeClient
from lantime.settings import LantimeSettings


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No settings from the machine that runs the tests."""
    monkeypatch.chdir(tmp_path)
    for name in LantimeSettings.model_fields:
        monkeypatch.delenv(f"LANTIME_{name.upper()}", raising=False)
    monkeypatch.delenv("INTERAPP_CONFIG", raising=False)
    monkeypatch.setenv("LANTIME_URL", "https://m1000.example.com")


def test_defaults() -> None:
    """Only the URL must be given."""
    settings = LantimeSettings.load()
    assert (settings.name, settings.username, settings.password) == ("m1000-a", None, None)
    assert (settings.verify, settings.bypass_proxy) == (True, True)
    assert (settings.poll_seconds, settings.timeout_seconds) == (10.0, 5.0)


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("URL", "https://m1000:99999", "1 to 65535"),
        ("URL", "https://m1000:0", "1 to 65535"),
        ("URL", "https://m1000:x", "1 to 65535"),
        ("URL", "ftp://m1000", "https://"),
        ("URL", "m1000", "https://"),
        ("URL", "https://", "host"),
        ("URL", "https://m1000/?a=1", "no ?"),
        ("URL", "https://m1000/api/status", "without /api"),
        ("URL", "https://m1 000", "no blanks"),
        ("URL", "https://[::1", ""),
        ("NAME", "M1000", "lower-case"),
        ("NAME", "a..b", "lower-case"),
        ("NAME", "events", "reserved"),
        ("USERNAME", "in:fo", "without ':'"),
        ("POLL_SECONDS", "0.5", "greater than or equal to 1"),
        ("POLL_SECONDS", "nan", ""),
        ("POLL_SECONDS", "often", "number"),
        ("TIMEOUT_SECONDS", "0", "greater than"),
        ("VERIFY_TLS", "perhaps", "boolean"),
        ("CA_FILE", "/nowhere/ca.pem", "existing"),
    ],
)
def test_wrong_values_are_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str, allowed: str) -> None:
    """A value that can never be right is refused with setting, value and what is allowed."""
    monkeypatch.setenv(f"LANTIME_{name}", value)
    with pytest.raises(SettingError) as raised:
        LantimeSettings.load()
    assert raised.value.setting == f"LANTIME_{name}"
    assert str(raised.value.value) == value
    assert allowed in raised.value.allowed


def test_missing_url(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a URL a slot's service can run; whoever needs the device is told its name, and no other setting."""
    monkeypatch.setenv("LANTIME_URL", "")
    monkeypatch.setenv("LANTIME_PASSWORD", "hidden")
    settings = LantimeSettings.load()
    with pytest.raises(SettingError, match="LANTIME_URL") as raised:
        LantimeClient.from_settings(settings)
    assert "hidden" not in str(raised.value)


@pytest.mark.parametrize("url", ["https://info:hidden@m1000", "https://info:hid/hidden@m1000", "https://hidden@m1000"])
def test_login_in_the_url(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    """A login in the URL is refused with the settings to use, and is not repeated."""
    monkeypatch.setenv("LANTIME_URL", url)
    with pytest.raises(SettingError, match="LANTIME_USERNAME and LANTIME_PASSWORD") as raised:
        LantimeSettings.load()
    assert "hidden" not in f"{raised.value}{raised.value.__cause__}"


@pytest.mark.parametrize("ending", ["", "\n", "\r\n"])
def test_password_from_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, ending: str) -> None:
    """The password is read once from its file; a trailing line break is no part of it, a blank is."""
    file = tmp_path / "password"
    file.write_bytes(f"pass word {ending}".encode())
    monkeypatch.setenv("LANTIME_PASSWORD_FILE", str(file))
    settings = LantimeSettings.load()
    file.unlink()
    assert settings.password is not None
    assert settings.password.get_secret_value() == "pass word "
    assert "pass word" not in repr(settings)


@pytest.mark.parametrize(
    ("content", "allowed"), [(None, "readable"), (b"", "not empty"), (b"\n", "not empty"), (b"\xff", "UTF-8")]
)
def test_unusable_password_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: bytes | None, allowed: str
) -> None:
    """A password file that is missing, empty or no text is a wrong setting."""
    file = tmp_path / "password"
    if content is not None:
        file.write_bytes(content)
    monkeypatch.setenv("LANTIME_PASSWORD_FILE", str(file))
    with pytest.raises(SettingError, match="LANTIME_PASSWORD_FILE") as raised:
        LantimeSettings.load()
    assert allowed in raised.value.allowed


def test_two_passwords(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A password and a password file together are refused: nobody can know which one is meant."""
    monkeypatch.setenv("LANTIME_PASSWORD_FILE", str(tmp_path / "password"))
    monkeypatch.setenv("LANTIME_PASSWORD", "hidden")
    with pytest.raises(SettingError, match="LANTIME_PASSWORD_FILE") as raised:
        LantimeSettings.load()
    assert "hidden" not in str(raised.value)


def test_empty_is_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty variable, as container files write it, counts as unset."""
    for name in ("USERNAME", "PASSWORD", "PASSWORD_FILE", "CA_FILE", "POLL_SECONDS"):
        monkeypatch.setenv(f"LANTIME_{name}", "")
    settings = LantimeSettings.load()
    assert (settings.username, settings.password, settings.ca_file) == (None, None, None)


def test_ca_file_counts_only_when_verifying(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The CA file is what is trusted, unless nothing is checked at all."""
    file = tmp_path / "ca.pem"
    file.write_text("")
    monkeypatch.setenv("LANTIME_CA_FILE", str(file))
    assert LantimeSettings.load().verify == file
    monkeypatch.setenv("LANTIME_VERIFY_TLS", "false")
    assert LantimeSettings.load().verify is False


def test_client_from_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client is made of the settings as they are."""
    monkeypatch.setenv("LANTIME_URL", "http://m1000.example.com:8080/lantime/")
    monkeypatch.setenv("LANTIME_USERNAME", "info")
    with LantimeClient.from_settings(LantimeSettings.load()) as device:
        assert device.url == "http://m1000.example.com:8080/lantime"
        assert device.credentials_missing
    monkeypatch.setenv("LANTIME_PASSWORD", "info")
    with LantimeClient.from_settings(LantimeSettings.load()) as device:
        assert not device.credentials_missing
