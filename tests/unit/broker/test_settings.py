"""Settings: where a value comes from, and what is said of one that can never be right."""

from pathlib import Path

import pytest
from pydantic import Field
from pydantic_settings import SettingsConfigDict

from broker.errors import SettingError
from broker.settings import CONFIG_VARIABLE, EnvironmentSettings, InterAppSettings, read_toml, redacted


@pytest.fixture(autouse=True)
def nothing_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting of the developer's own machine: an empty folder and an environment without our names."""
    monkeypatch.chdir(tmp_path)
    for name in InterAppSettings.model_fields:
        monkeypatch.delenv(f"INTERAPP_{name.upper()}", raising=False)
    monkeypatch.delenv(CONFIG_VARIABLE, raising=False)


def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """Make this the file of ``--config``."""
    (tmp_path / "interapp.toml").write_text(text, encoding="utf-8")
    monkeypatch.setenv(CONFIG_VARIABLE, str(tmp_path / "interapp.toml"))


def test_nothing_needs_to_be_set() -> None:
    """Without any setting interapp runs in one process, on SQLite."""
    settings = InterAppSettings.load()
    assert (settings.broker_url, settings.database_url) == ("memory://", "sqlite:///interapp.db")
    assert settings.in_memory
    assert settings.http_port is None


WRONG = [
    ("INTERAPP_BROKER_URL", "http://host", "the scheme must be one of memory://, amqp://, amqps://"),
    ("INTERAPP_BROKER_URL", "", "the scheme must be one of"),
    ("INTERAPP_BROKER_URL", "amqp://", "a host is missing, as in amqp://host"),
    ("INTERAPP_BROKER_URL", "amqp://host:0", "the port must be a number from 1 to 65535"),
    ("INTERAPP_BROKER_URL", "amqp://host:65536", "the port must be a number from 1 to 65535"),
    ("INTERAPP_BROKER_URL", "amqp://host:many", "the port must be a number from 1 to 65535"),
    ("INTERAPP_BROKER_URL", "amqp://[::1", ""),
    ("INTERAPP_DATABASE_URL", "mysql://host/name", "the scheme must be one of sqlite://, postgresql://"),
    ("INTERAPP_DATABASE_URL", "sqlite://", "named by its file: sqlite:///interapp.db"),
    ("INTERAPP_DATABASE_URL", "sqlite:///", "named by its file"),
    ("INTERAPP_DATABASE_URL", "sqlite://interapp.db", "named by its file"),
    ("INTERAPP_DATABASE_URL", "postgresql://host", "a database name is missing, as in postgresql://host/name"),
    ("INTERAPP_DATABASE_URL", "postgresql://host/", "a database name is missing"),
    ("INTERAPP_DATABASE_URL", "postgresql://host:99999/name", "the port must be"),
    ("INTERAPP_LOG_FORMAT", "xml", "'console' or 'json'"),
    ("INTERAPP_LOG_LEVEL", "loud", "'debug', 'info', 'warning' or 'error'"),
    ("INTERAPP_HTTP_PORT", "0", "greater than or equal to 1"),
    ("INTERAPP_HTTP_PORT", "65536", "less than or equal to 65535"),
    ("INTERAPP_HTTP_PORT", "http", "integer"),
    ("INTERAPP_LEASE_SECONDS", "0.5", "greater than or equal to 1"),
    ("INTERAPP_LEASE_SECONDS", "601", "less than or equal to 600"),
    ("INTERAPP_LEASE_SECONDS", "nan", ""),
    ("INTERAPP_MESSAGE_MAX_BYTES", "1023", "greater than or equal to 1024"),
    ("INTERAPP_MESSAGE_MAX_BYTES", "1e99", ""),
    ("INTERAPP_PREFETCH", "0", "greater than or equal to 1"),
    ("INTERAPP_PREFETCH", "10001", "less than or equal to 10000"),
    ("INTERAPP_RETENTION_DAYS", "-1", "greater than or equal to 0"),
    ("INTERAPP_RETENTION_DAYS", "36501", "less than or equal to 36500"),
    ("INTERAPP_RETENTION_ROWS", "-1", "greater than or equal to 0"),
]


@pytest.mark.parametrize(("name", "value", "allowed"), WRONG, ids=[f"{name}={value}" for name, value, _ in WRONG])
def test_a_wrong_value_names_setting_value_and_what_is_allowed(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, allowed: str
) -> None:
    """A value that can never be right is refused in one line: as what it was set, to what, and what is allowed."""
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingError) as caught:
        InterAppSettings.load()
    assert (caught.value.setting, str(caught.value.value)) == (name, value)
    assert allowed in caught.value.allowed
    assert str(caught.value).startswith(f"{name}={value!r} is not allowed: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("INTERAPP_BROKER_URL", "amqp://user:secret@host/vhost"),
        ("INTERAPP_BROKER_URL", "amqps://host"),
        ("INTERAPP_DATABASE_URL", "sqlite:////full/path.db"),
        ("INTERAPP_DATABASE_URL", "postgresql://user:secret@host:5432/name"),
        ("INTERAPP_DATABASE_URL", "postgresql:///name"),
        ("INTERAPP_LOG_FORMAT", "json"),
        ("INTERAPP_HTTP_PORT", "8080"),
        ("INTERAPP_LEASE_SECONDS", "2.5"),
        ("INTERAPP_PREFETCH", "1"),
        ("INTERAPP_RETENTION_DAYS", "0"),
        ("INTERAPP_RETENTION_ROWS", "0"),
    ],
)
def test_a_right_value_is_taken(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    """A value that may be right is taken as it is."""
    monkeypatch.setenv(name, value)
    taken = getattr(InterAppSettings.load(), name.removeprefix("INTERAPP_").lower())
    assert str(taken) == value


@pytest.mark.parametrize(
    "url",
    [
        "http://user:secret@host/x",
        "amqp://user:secret@host:0/x",
        "amqp://user:secret@host:many",
        "amqp://user:se/cret@host",
        "http://user:se@cret@host",
        "amqp://user:secret@[::1",
        "//user:secret@host",
        "user:secret@host",
    ],
)
@pytest.mark.parametrize("name", ["INTERAPP_BROKER_URL", "INTERAPP_DATABASE_URL"])
def test_no_error_shows_a_password(monkeypatch: pytest.MonkeyPatch, name: str, url: str) -> None:
    """An error about a URL never shows the password in it, however wrong the URL is."""
    monkeypatch.setenv(name, url)
    with pytest.raises(SettingError) as caught:
        InterAppSettings.load()
    for shown in (str(caught.value), str(caught.value.value)):
        assert "secret" not in shown
        assert "cret" not in shown
        assert "user" in shown


class Guarded(EnvironmentSettings):
    """Settings with a secret, as an integrator may have them."""

    model_config = SettingsConfigDict(env_prefix="GUARDED_")

    password: str = Field(default="", max_length=5)


def test_a_secret_setting_is_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """A value of a setting that is called password is not in its own error."""
    monkeypatch.setenv("GUARDED_PASSWORD", "much too long a secret")
    with pytest.raises(SettingError, match="GUARDED_PASSWORD") as caught:
        Guarded.load()
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("amqp://user:secret@host/vhost", "amqp://user:***@host/vhost"),
        ("amqp://user:@host", "amqp://user:***@host"),
        ("amqp://user@host", "amqp://user@host"),
        ("amqp://host:5672", "amqp://host:5672"),
        ("memory://", "memory://"),
        ("sqlite:///folder/file@home:2.db", "sqlite:///folder/file@home:2.db"),
        ("postgresql://u:p%40ss@h:1/n?sslmode=require", "postgresql://u:***@h:1/n?sslmode=require"),
        ("postgresql://h/n?user=u&password=secret&x=1", "postgresql://h/n?user=u&password=***&x=1"),
        ("", ""),
    ],
)
def test_a_shown_url_has_no_password(url: str, shown: str) -> None:
    """What logs and tables show of a URL is the URL without its password."""
    assert redacted(url) == shown


def test_the_environment_wins_over_dotenv_and_that_over_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A value in the environment is taken first, then one in ``.env``, then one in the file of ``--config``."""
    config(tmp_path, monkeypatch, "[interapp]\nprefetch = 1\nlease_seconds = 11\nlog_level = 'error'\n")
    (tmp_path / ".env").write_text("INTERAPP_PREFETCH=2\nINTERAPP_LEASE_SECONDS=12\n", encoding="utf-8")
    monkeypatch.setenv("INTERAPP_PREFETCH", "3")
    settings = InterAppSettings.load()
    assert (settings.prefetch, settings.lease_seconds, settings.log_level) == (3, 12.0, "error")


@pytest.mark.parametrize(
    "text",
    [
        "[interapp]\nhttp_port = 8080\n",
        "[interapp.http]\nport = 8080\n",
        "[INTERAPP]\nHTTP-PORT = 8080\n",
        "interapp_http_port = 8080\n",
        "INTERAPP_HTTP_PORT = 8080\n[other]\nthing = 1\n",
    ],
)
def test_the_file_names_settings_as_the_environment_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    """In the file case does not matter, and tables are joined by ``_``."""
    config(tmp_path, monkeypatch, text)
    assert InterAppSettings.load().http_port == 8080


def test_an_unknown_name_in_the_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A misspelt setting in the file is an error that names it and the known ones; other programs' names are not ours."""
    config(tmp_path, monkeypatch, "[interapp]\nprefetsch = 5\n")
    with pytest.raises(SettingError, match="INTERAPP_PREFETSCH=5 is not allowed: no such setting") as caught:
        InterAppSettings.load()
    assert "INTERAPP_PREFETCH" in caught.value.allowed


def test_a_wrong_value_in_the_file_names_its_setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong value in the file is named as its environment variable would be."""
    config(tmp_path, monkeypatch, "[interapp]\nprefetch = 'many'\n")
    with pytest.raises(SettingError, match="INTERAPP_PREFETCH='many' is not allowed"):
        InterAppSettings.load()


@pytest.mark.parametrize("content", [b"[interapp\n", b"\xff\xfe", b"a = 1\na = 2\n"])
def test_a_file_that_is_no_toml_is_refused(tmp_path: Path, content: bytes) -> None:
    """A file that cannot be understood is named, with what is wrong in it."""
    file = tmp_path / "x.toml"
    file.write_bytes(content)
    with pytest.raises(SettingError, match=r"--config=.*x\.toml.* is not allowed: a TOML file"):
        read_toml(file)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    """A file that cannot be read is named, with the reason."""
    with pytest.raises(SettingError, match=r"--config=.*none\.toml.*No such file"):
        read_toml(tmp_path / "none.toml")
