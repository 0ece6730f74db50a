"""The write profile: its defaults, its files, and what is wrong in one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from broker.errors import SettingError
from lantime.settings import LantimeSettings
from lantime.writing.profile import BodyForm, Verb, WriteProfile


def test_the_defaults() -> None:
    """Without a file it is PUT of bare settings, and only the way to save is documented."""
    profile = WriteProfile()
    assert profile.path_of("chassis0", "clk1") == "/api/config/chassis0/slots/clk1/module"
    assert profile.path_of("chassis0", "clk1", "serial-ports/com0") == (
        "/api/config/chassis0/slots/clk1/module/serial-ports/com0"
    )
    assert profile.wrapped({"a": 1}) == {"a": 1}
    assert profile.save.model_dump(mode="json") == {
        "verb": "PUT",
        "path": "/api/write",
        "body": {"parameters": {"package": "all"}},
    }
    assert "only ``save`` is documented" in (WriteProfile.__doc__ or "")


def test_a_profile_from_toml(tmp_path: Path) -> None:
    """A TOML file changes what it names; its own name is the profile's unless it gives another."""
    file = tmp_path / "Field-7.toml"
    file.write_text(
        'verb = "PATCH"\npath = "/api/cfg/{slot}/{part}"\nbody = "parameters"\n'
        '[commit]\nverb = "POST"\npath = "/api/activate"\n[commit.body]\nnow = true\n',
        encoding="utf-8",
    )
    profile = WriteProfile.load(file)
    assert (profile.name, profile.verb, profile.body) == ("field-7", Verb.PATCH, BodyForm.PARAMETERS)
    assert profile.path_of("chassis0", "clk1", "mrs") == "/api/cfg/clk1/mrs"
    assert profile.wrapped([1]) == {"parameters": [1]}
    assert (profile.commit.verb, profile.commit.path, profile.commit.body) == ("POST", "/api/activate", {"now": True})
    assert profile.rollback == WriteProfile().rollback


def test_a_profile_from_json(tmp_path: Path) -> None:
    """A JSON file does the same."""
    file = tmp_path / "profile.json"
    file.write_text(json.dumps({"name": "lab", "body": "data"}), encoding="utf-8")
    profile = WriteProfile.load(file)
    assert (profile.name, profile.wrapped({"a": 1})) == ("lab", {"data": {"a": 1}})


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ({"verb": "GET"}, "verb"),
        ({"path": "/api/config/{part}"}, "path.*{slot}"),
        ({"path": "/api/config/{slot}/{part}/{what}"}, "path.*nothing else in braces"),
        ({"path": "/api/config/{part}/{slot}"}, "path.*ends with"),
        ({"path": "http://device/{slot}/{part}"}, "path"),
        ({"body": "xml"}, "body"),
        ({"commit": {"path": "api/commit"}}, "commit.path"),
        ({"commit": {"path": "/api/commit?now"}}, "commit.path"),
        ({"name": "read-only"}, "name.*read-only"),
        ({"name": "Über"}, "name"),
        ({"rolback": {}}, "rolback"),
        ([1], "profile"),
        ("", "profile"),
    ],
    ids=str,
)
def test_a_profile_that_cannot_be(tmp_path: Path, content: object, says: str) -> None:
    """What cannot be right in a file is refused with the setting, the file and the field."""
    file = tmp_path / "profile.json"
    file.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(SettingError, match=f"(?s)LANTIME_WRITE_PROFILE=.*profile.json.*{says}"):
        WriteProfile.load(file)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[" * 100_000], ids=["empty", "cut", "bytes", "deep"])
@pytest.mark.parametrize("name", ["profile.json", "profile.toml"])
def test_a_file_that_is_no_profile(tmp_path: Path, content: bytes, name: str) -> None:
    """A file that is neither TOML nor JSON is refused by its name; an empty TOML file is the default profile."""
    file = tmp_path / name
    file.write_bytes(content)
    if (content, name) == (b"", "profile.toml"):
        assert WriteProfile.load(file) == WriteProfile(name="profile")
        return
    with pytest.raises(SettingError, match="LANTIME_WRITE_PROFILE"):
        WriteProfile.load(file)


def test_a_missing_file_ends_the_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The settings are refused when the profile's file is not there, or wrong."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("INTERAPP_CONFIG", raising=False)
    monkeypatch.setenv("LANTIME_WRITE_PROFILE", str(tmp_path / "missing.toml"))
    with pytest.raises(SettingError, match=r"LANTIME_WRITE_PROFILE=.*missing.toml"):
        LantimeSettings.load()


def test_read_only_is_the_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without settings nothing is written and nothing saved."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("INTERAPP_CONFIG", raising=False)
    for name in ("WRITE", "WRITE_SAVE", "WRITE_PROFILE"):
        monkeypatch.delenv(f"LANTIME_{name}", raising=False)
    settings = LantimeSettings.load()
    assert (settings.write, settings.write_save, settings.write_profile) == (False, False, None)
