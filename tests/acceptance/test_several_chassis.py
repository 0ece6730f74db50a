"""Several chassis in one file of --config, served and shown by the installed command, over HTTPS with their own certificates."""

from __future__ import annotations

import json
import shutil
import ssl
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
from acceptance.fleet import Fleet, assert_no_traceback

from broker.table.database import Database
from broker.table.subscriptions import subscribe
from servers.ports import ReservedPort
from servers.processes import InterappProcess, eventually, run_interapp

PATIENCE_S = 30.0
WATCHER = "watcher"


class Device:
    """`interapp simulator` over HTTPS; its certificate stays where it was copied to."""

    def __init__(self, folder: Path, name: str, port: int, *args: str) -> None:
        self.name = name
        self.process = InterappProcess("simulator", "--port", str(port), *args, cwd=folder)
        self.url = f"https://127.0.0.1:{port}"
        self.certificate = folder / f"{name}.pem"

    def start(self) -> None:
        """Switch it on."""
        self.process.start()
        line = self.process.wait_for_line("certificate (.*)$")
        shutil.copy(line[1], self.certificate)

    def control(self, action: str, **arguments: object) -> None:
        """Do `POST /simulator/<action>` as its admin."""
        trusted = ssl.create_default_context(cafile=self.certificate)
        with httpx.Client(verify=trusted, auth=("admin", "admin"), trust_env=False) as client:
            client.post(f"{self.url}/simulator/{action}", json=arguments).raise_for_status()

    def entry(self) -> str:
        """Return its entry in the file."""
        return (
            f'[[chassis]]\nname = "{self.name}"\nurl = "{self.url}"\nca_file = "{self.certificate}"\n'
            'username = "info"\npassword_file = "password"\npoll_seconds = 1\n'
        )


@pytest.fixture
def devices(tmp_path: Path) -> Iterator[tuple[Device, Device]]:
    """An M1000 with API 20 and an M3000 with API 10, and the file that lists both."""
    with ExitStack() as stack:
        ports = [ReservedPort(), ReservedPort()]
        for port in ports:
            stack.callback(port.release)
        first = Device(tmp_path, "m1000-a", ports[0].number, "--model", "M1000", "--api", "20")
        second = Device(tmp_path, "m3000-b", ports[1].number, "--model", "M3000", "--api", "10")
        for device in (first, second):
            device.start()
            stack.callback(device.process.kill)
        (tmp_path / "password").write_text("info\n")
        (tmp_path / "interapp.toml").write_text(first.entry() + second.entry())
        yield first, second


def run(folder: Path, *args: str, code: int = 0, **env: str) -> str:
    """Run `interapp --config interapp.toml ARGS…` to its end and return what it wrote."""
    done = run_interapp("--config", "interapp.toml", *args, cwd=folder, env=env)
    assert_no_traceback(done.stdout + done.stderr, " ".join(args))
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout if code == 0 else done.stderr


def listed(folder: Path, *args: str) -> list[dict[str, Any]]:
    """Return what a listing prints, as objects."""
    return [json.loads(line) for line in run(folder, *args, "--json").splitlines()]


def test_two_chassis_and_one_that_is_switched_off(tmp_path: Path, devices: tuple[Device, Device]) -> None:
    """One process serves both with their children; what happens to one is told once, whatever is restarted or switched off."""
    first, second = devices

    def events(source: str) -> list[str]:
        rows = listed(tmp_path, "handlers", "--app", WATCHER, "--limit", "1000")
        return sorted(str(row["kind"]) for row in rows if row["source"] == source)

    with InterappProcess("--config", "interapp.toml", "up", cwd=tmp_path) as up:
        for app in ("m1000-a.clk1", "m3000-b.clk1", "m3000-b.clk2"):
            up.wait_for_line(rf"assigned +app={app} ")
        database = Database(f"sqlite:///{tmp_path / 'interapp.db'}")
        subscribe(database, WATCHER, {"#.chassis.notification", "#.chassis.system-changed"})
        database.close()

        lines = listed(tmp_path, "chassis")
        assert [(line["chassis"], line["model"], line["api_version"]) for line in lines] == [
            ("m1000-a", "M1000", "20.05.013"),
            ("m3000-b", "M3000", "10.21.016"),
        ]
        for line, device in zip(lines, devices, strict=True):
            assert (line["url"], line["problem"], line["api_supported"]) == (device.url, None, True)
            assert (line["reference"], line["clock"]) == ("clk1-tcr", "synchronized")
            assert line["leds"] == {"ref-time": "green", "time-service": "green", "network": "green", "alarm": "off"}
        assert {line["chassis"] for line in listed(tmp_path, "slots")} == {"m1000-a", "m3000-b"}
        reply = json.loads(run(tmp_path, "send", "m3000-b.clk2", "tcr.poll-now", "--wait", "20"))
        assert reply["serial"] == "068111020512"
        shown = run(tmp_path, "chassis", "show", "m3000-b")
        assert "refclock-1-sync" in shown
        assert "info" not in listed(tmp_path, "chassis", "show", "m3000-b")[0]["url"]

        second.control("lose-signal", slot="clk1")
        second.control("lose-signal", slot="clk2")
        eventually(lambda: "chassis.notification" in events("m3000-b"), PATIENCE_S, "the notification of the second")
        eventually(lambda: "chassis.system-changed" in events("m3000-b"), PATIENCE_S, "the change of the second")

        first.process.kill()
        up.wait_for_line("gives no status.*app=m1000-a")
        again = json.loads(run(tmp_path, "send", "m3000-b", "chassis.poll-now", "--wait", "20"))
        assert (again["chassis"]["problem"], again["system"]["state"]["clock"]) == (None, "holdover")
        off, on = listed(tmp_path, "chassis")
        assert "refused" in str(off["problem"])
        assert off["model"] == "M1000"
        assert (on["problem"], on["clock"]) == (None, "holdover")
        said = events("m3000-b")
        assert up.terminate() == 0
        assert_no_traceback(up.output(), "up")

    with InterappProcess("--config", "interapp.toml", "up", cwd=tmp_path) as up:
        up.wait_for_line("gives its status +app=m3000-b")
        run(tmp_path, "send", "m3000-b", "chassis.poll-now", "--wait", "20")
        assert events("m3000-b") == said
        assert events("m1000-a") == []
        assert up.terminate() == 0


def test_parent_and_child_as_processes(
    tmp_path: Path, devices: tuple[Device, Device], amqp_url: str, postgres_url: str
) -> None:
    """One parent serves both over RabbitMQ and PostgreSQL; a child finds its chassis, and its login, by LANTIME_NAME."""
    alone = ("LANTIME_NAME", "LANTIME_URL", "LANTIME_USERNAME", "LANTIME_PASSWORD", "LANTIME_POLL_SECONDS")
    with Fleet(tmp_path, amqp_url, postgres_url) as fleet:
        fleet.service("--config", "interapp.toml", "parent", without=alone).wait_ready()
        env = {"LANTIME_NAME": "m3000-b", "TCR_SLOT_ID": "clk2"}
        shared = [name for name in alone if name not in env]
        fleet.service("--config", "interapp.toml", "child", env=env, without=shared).wait_ready()
        fleet.wait_handlers(kind="tcr.module-status", destination="m3000-b.clk2", state="succeeded", timeout=PATIENCE_S)
        fleet.wait_handlers(kind="tcr.ready", destination="m3000-b", state="succeeded", timeout=PATIENCE_S)
        reply = json.loads(
            run(
                tmp_path,
                "send",
                "m3000-b.clk2",
                "tcr.poll-now",
                "--wait",
                "20",
                INTERAPP_BROKER_URL=amqp_url,
                INTERAPP_DATABASE_URL=postgres_url,
            )
        )
        assert (reply["chassis"], reply["serial"]) == ("m3000-b", "068111020512")


@pytest.mark.parametrize(
    ("command", "env", "named"),
    [
        ("child", {"TCR_SLOT_ID": "clk1"}, ["LANTIME_NAME", "m1000-a, m3000-b"]),
        ("child", {"TCR_SLOT_ID": "clk1", "LANTIME_NAME": "m9"}, ["LANTIME_NAME", "m9", "m1000-a, m3000-b"]),
        ("parent", {"LANTIME_URL": "https://m1000.example.com"}, ["LANTIME_URL", "[[chassis]]"]),
        ("up", {"LANTIME_URL": "https://m1000.example.com"}, ["LANTIME_URL", "[[chassis]]"]),
    ],
)
def test_a_list_that_leaves_a_question_open(
    tmp_path: Path, command: str, env: dict[str, str], named: list[str]
) -> None:
    """What cannot be right with a list ends the process at once: exit code 2, one line that says what to do."""
    (tmp_path / "interapp.toml").write_text(
        '[[chassis]]\nname = "m1000-a"\nurl = "https://a"\npassword = "geheim"\n'
        '[[chassis]]\nname = "m3000-b"\nurl = "https://b"\n'
    )
    line = run(tmp_path, command, code=2, INTERAPP_BROKER_URL="amqp://u:p@127.0.0.1:1/", **env)
    assert len(line.splitlines()) == 1
    assert all(part in line for part in named)
    assert "geheim" not in line


def test_a_wrong_entry_is_named(tmp_path: Path) -> None:
    """An entry that can never be right is named by its number and setting, without a password."""
    (tmp_path / "interapp.toml").write_text(
        '[[chassis]]\nname = "a"\nurl = "https://a"\n[[chassis]]\nname = "b"\nurl = "https://info:geheim@b"\n'
    )
    line = run(tmp_path, "up", code=2)
    assert "chassis[2].url" in line
    assert "geheim" not in line


def test_showing_a_chassis_that_is_not_there(tmp_path: Path) -> None:
    """Without a table the listing is empty and successful, and showing one is an error of one line."""
    done = run_interapp("chassis", cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    for command in (["chassis", "show", "m1000-a"], ["chassis", "show", "m1000-a", "--json"]):
        done = run_interapp(*command, cwd=tmp_path)
        assert (done.returncode, done.stdout) == (1, "")
        assert len(done.stderr.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []
