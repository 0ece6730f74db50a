"""Several chassis in the file of --config: what an entry says, what it leaves to LANTIME_…, and what is refused."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from broker.errors import SettingError
from broker.lifecycle.clock import SystemClock
from broker.settings import CONFIG_VARIABLE
from lantime.chassis_list import load_chassis, load_one_chassis
from lantime.settings import LantimeSettings
from lantime.simulator.certificate import write_certificate

A = '[[chassis]]\nname = "m3000-a"\nurl = "https://a.example.com"\n'
B = '[[chassis]]\nname = "m3000-b"\nurl = "https://b.example.com"\n'
SECRET = "geheim"

Write = Callable[[str], Path]


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No settings from the machine that runs the tests."""
    monkeypatch.chdir(tmp_path)
    for name in LantimeSettings.model_fields:
        monkeypatch.delenv(f"LANTIME_{name.upper()}", raising=False)
    monkeypatch.delenv(CONFIG_VARIABLE, raising=False)


@pytest.fixture
def config(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Write:
    """Writes the file of --config."""
    file = tmp_path / "interapp.toml"

    def write(text: str) -> Path:
        file.write_text(text, encoding="utf-8")
        monkeypatch.setenv(CONFIG_VARIABLE, str(file))
        return file

    return write


def test_without_a_list_there_is_one_chassis(monkeypatch: pytest.MonkeyPatch, config: Write) -> None:
    """The variables of a single chassis stay as they are, with a file and without one."""
    monkeypatch.setenv("LANTIME_URL", "https://m1000.example.com")
    (alone,) = load_chassis()
    assert (alone.name, alone.url) == ("m1000-a", "https://m1000.example.com")
    config('[lantime]\nname = "m1000-b"\n')
    assert [each.name for each in load_chassis()] == ["m1000-b"]
    assert load_one_chassis().name == "m1000-b"


def test_every_entry_is_a_chassis(config: Write, tmp_path: Path) -> None:
    """An entry has every setting of its own, under the names of the variables."""
    (tmp_path / "password").write_text(f"{SECRET}\n")
    write_certificate(tmp_path, "a.example.com", SystemClock())
    own = """username = "info"
password-file = "password"
ca_file = "certificate.pem"
poll_seconds = 1
Timeout_Seconds = 2.5
bypass_proxy = false
"""
    config(A + own + B + 'verify_tls = false\npassword = "other"\n')
    first, second = load_chassis()
    assert (first.name, first.url, first.username) == ("m3000-a", "https://a.example.com", "info")
    assert first.password is not None
    assert first.password.get_secret_value() == SECRET
    assert (first.verify, first.poll_seconds, first.timeout_seconds, first.bypass_proxy) == (
        Path("certificate.pem"),
        1,
        2.5,
        False,
    )
    assert (second.name, second.verify, second.poll_seconds, second.bypass_proxy) == ("m3000-b", False, 10.0, True)
    assert second.password is not None
    assert second.password.get_secret_value() == "other"


def test_what_an_entry_leaves_out_is_as_for_all(monkeypatch: pytest.MonkeyPatch, config: Write) -> None:
    """The file's [lantime] table, and before it the variables, fill what an entry does not give; an empty value is none."""
    monkeypatch.setenv("LANTIME_USERNAME", "monitor")
    monkeypatch.setenv("LANTIME_PASSWORD", SECRET)
    config(f'[lantime]\npoll_seconds = 5\nusername = "info"\n{A}poll_seconds = 2\n{B}username = ""\n')
    first, second = load_chassis()
    assert (first.username, second.username) == ("monitor", "monitor")
    assert (first.poll_seconds, second.poll_seconds) == (2, 5)
    assert second.password is not None
    assert second.password.get_secret_value() == SECRET


@pytest.mark.parametrize(("shared", "own"), [("PASSWORD", "password_file"), ("PASSWORD_FILE", "password")])
def test_an_entrys_own_password_wins(
    monkeypatch: pytest.MonkeyPatch, config: Write, tmp_path: Path, shared: str, own: str
) -> None:
    """A password that an entry gives, in whichever form, is used instead of the one that all share."""
    (tmp_path / "file").write_text("own" if own == "password_file" else "shared")
    monkeypatch.setenv(f"LANTIME_{shared}", "file" if shared == "PASSWORD_FILE" else "shared")
    config(f'{A}{own} = "{"file" if own == "password_file" else "own"}"\n')
    (only,) = load_chassis()
    assert only.password is not None
    assert only.password.get_secret_value() == "own"


@pytest.mark.parametrize(
    ("entries", "setting", "allowed"),
    [
        (A + '[[chassis]]\nname = "m3000-b"\n', "chassis[2].url", "https://"),
        ('[[chassis]]\nurl = "https://a"\n', "chassis[1].name", "m3000-a"),
        (A + '[[chassis]]\nname = "m3000-b"\nurl = "ftp://b"\n', "chassis[2].url", "https://"),
        (A + '[[chassis]]\nname = "m3000-b"\nurl = 5\n', "chassis[2].url", "string"),
        (A + '[[chassis]]\nname = "M3000"\nurl = "https://b"\n', "chassis[2].name", "lower-case"),
        (A + A, "chassis[2].name", "chassis[1] has this one"),
        (A + B.replace("m3000-b", "m3000-a.clk1"), "chassis[2].name", "m3000-a"),
        (A.replace("m3000-a", "m3000-b.x") + B, "chassis[2].name", "m3000-b.x"),
        (A + "poll_seconds = 0.1\n", "chassis[1].poll_seconds", "greater than or equal to 1"),
        (A + 'poll_seconds = "often"\n', "chassis[1].poll_seconds", "number"),
        (A + 'ca_file = "/nowhere.pem"\n', "chassis[1].ca_file", "existing"),
        (A + 'password_file = "/nowhere"\n', "chassis[1].password_file", "readable"),
        (A + 'ca_file = "interapp.toml"\n', "chassis[1].ca_file", "certificates"),
        (A.replace("https://a", "https://a:1:2"), "chassis[1].url", "1 to 65535"),
        (A + "password_file = 5\n", "chassis[1].password_file", "path"),
        (A + 'password = "geheim"\npassword_file = "x"\n', "chassis[1].password_file", "unset while password is set"),
        (A + 'pasword = "geheim"\n', "chassis[1].pasword", "known are url, name"),
        (A + 'password = ["geheim"]\n', "chassis[1].password", "string"),
        (A + 'username = "in:fo"\npassword = "geheim"\n', "chassis[1].username", "without ':'"),
        (A.replace("https://", "https://info:geheim@"), "chassis[1].url", "use username and password"),
        ('[chassis]\nname = "a"\npassword = "geheim"\n', "chassis", "[[chassis]]"),
        ("chassis = []\n", "chassis", "[[chassis]]"),
        ('chassis = ["geheim"]\n', "chassis", "[[chassis]]"),
        ('chassis = "geheim"\n', "chassis", "[[chassis]]"),
    ],
)
def test_what_can_never_be_right_is_named(config: Write, entries: str, setting: str, allowed: str) -> None:
    """An error names the entry, counted from 1, with its setting and what is allowed, and never shows a password."""
    config(entries)
    with pytest.raises(SettingError) as raised:
        load_chassis()
    assert raised.value.setting == setting
    assert allowed in raised.value.allowed
    assert SECRET not in f"{raised.value}"
    assert "LANTIME_" not in f"{raised.value}"


def test_a_shared_setting_that_is_wrong_keeps_its_name(monkeypatch: pytest.MonkeyPatch, config: Write) -> None:
    """What is wrong with a variable that all share is said of the variable."""
    monkeypatch.setenv("LANTIME_POLL_SECONDS", "0")
    config(A)
    with pytest.raises(SettingError, match="LANTIME_POLL_SECONDS"):
        load_chassis()


@pytest.mark.parametrize("text", [A, '[lantime]\nurl = "https://c.example.com"\n' + A])
def test_a_list_and_a_single_address_are_refused(monkeypatch: pytest.MonkeyPatch, config: Write, text: str) -> None:
    """With a list, LANTIME_URL from anywhere is refused with what to do: nobody can know which of the two is meant."""
    config(text)
    if "lantime" not in text:
        monkeypatch.setenv("LANTIME_URL", "https://c.example.com")
    with pytest.raises(SettingError, match="LANTIME_URL") as raised:
        load_chassis()
    assert "[[chassis]]" in raised.value.allowed


def test_a_slots_service_chooses_its_chassis_by_name(monkeypatch: pytest.MonkeyPatch, config: Write) -> None:
    """LANTIME_NAME chooses one of the list; a slot's service must be told which, unless there is only one."""
    config(A + B)
    with pytest.raises(SettingError, match="LANTIME_NAME") as raised:
        load_one_chassis()
    assert "m3000-a, m3000-b" in raised.value.allowed
    monkeypatch.setenv("LANTIME_NAME", "m3000-b")
    assert load_one_chassis().url == "https://b.example.com"
    assert [each.name for each in load_chassis()] == ["m3000-b"]
    monkeypatch.setenv("LANTIME_NAME", "m3000-c")
    with pytest.raises(SettingError, match="LANTIME_NAME") as raised:
        load_one_chassis()
    assert "m3000-a, m3000-b" in raised.value.allowed
    monkeypatch.delenv("LANTIME_NAME")
    config(A)
    assert load_one_chassis().name == "m3000-a"


def test_the_file_in_the_documentation_works(config: Write, tmp_path: Path) -> None:
    """The example of docs/deploy.md is a list of two chassis, each with its own login and trust."""
    page = (Path(__file__).parents[3] / "docs" / "deploy.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    for file in ("lantime", "m1000-b", "m3000-a.pem"):
        (tmp_path / file).write_text(f"secret of {file}")
    write_certificate(tmp_path, "m3000-a.example.com", SystemClock())[0].replace(tmp_path / "m3000-a.pem")
    config(re.sub(r'"/(run/secrets|etc/interapp)/', f'"{tmp_path}/', example))
    first, second = load_chassis()
    assert (first.name, first.username, first.poll_seconds) == ("m3000-a", "info", 10)
    assert first.verify == tmp_path / "m3000-a.pem"
    assert (second.name, second.username, second.verify, second.poll_seconds) == ("m1000-b", "monitor", False, 1)
    assert second.password is not None
    assert second.password.get_secret_value() == "secret of m1000-b"
