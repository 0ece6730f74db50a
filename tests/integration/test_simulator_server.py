"""The simulator over real HTTP(S): answers that go wrong on the line, a certificate that stays, a time line in a process."""

import logging
import re
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from broker.errors import SettingError
from broker.lifecycle.clock import ManualClock
from lantime.client import LantimeClient
from lantime.errors import ApiDisabled, DeviceError, DeviceUnreachable, LoginRefused, Problem, UnexpectedAnswer
from lantime.simulator.faults import Kind
from lantime.simulator.server import Simulator

MODULE = "/api/config/chassis0/slots/clk1/module"


@pytest.fixture
def sim() -> Iterator[Simulator]:
    """A running M1000 over http."""
    with Simulator() as running:
        yield running


def http(sim: Simulator, user: str = "admin", seconds: float = 20.0) -> httpx.Client:
    """A plain HTTP client of the simulator."""
    return httpx.Client(base_url=sim.url, auth=(user, user), timeout=seconds, trust_env=False)


@pytest.mark.parametrize(
    ("fault", "error", "hint"),
    [
        ({"status": 401, "count": 9}, LoginRefused, "LANTIME_PASSWORD"),
        ({"status": 403}, LoginRefused, "level"),
        ({"status": 404}, ApiDisabled, "404"),
        ({"status": 409}, UnexpectedAnswer, "409"),
        ({"status": 422}, UnexpectedAnswer, "422"),
        ({"status": 500}, UnexpectedAnswer, "500"),
        ({"status": 503}, ApiDisabled, "503"),
        ({"kind": Kind.HTML}, ApiDisabled, "web page"),
        ({"kind": Kind.EMPTY}, UnexpectedAnswer, "empty"),
        ({"kind": Kind.TRUNCATED}, UnexpectedAnswer, "cut off"),
        ({"kind": Kind.RESET}, DeviceUnreachable, "connection"),
    ],
)
@pytest.mark.parametrize("tls", [False, True])
def test_what_the_client_makes_of_each(
    tls: bool, fault: dict[str, object], error: type[DeviceError], hint: str
) -> None:
    """Every way to go wrong reaches the client as what it is, and the next request finds the device well."""
    with Simulator(tls=tls) as sim, LantimeClient(sim.url, "info", "info", verify=sim.certificate_file or True) as it:
        it.status()
        sim.fail_requests(path_prefix="/api/status", **fault)  # type: ignore[arg-type]
        with pytest.raises(error, match=hint):
            it.status()
        sim.clear_faults()
        assert it.status().chassis()


@pytest.mark.parametrize("tls", [False, True])
def test_reset_is_a_reset(tls: bool) -> None:
    """The connection ends without a byte of an answer, and other connections stay."""
    with Simulator(tls=tls) as sim:
        verify: ssl.SSLContext | bool = ssl.create_default_context(cafile=sim.certificate_file) if tls else True
        options = {"base_url": sim.url, "auth": ("info", "info"), "verify": verify, "trust_env": False}
        with httpx.Client(**options) as one, httpx.Client(**options) as other:  # type: ignore[arg-type]
            assert other.get("/api/status").status_code == 200
            sim.fail_requests(kind=Kind.RESET, path_prefix="/api")
            with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError)):
                one.get("/api/status")
            assert other.get("/api/status").status_code == 200


def test_lost_answer_of_a_commit(sim: Simulator) -> None:
    """A commit whose answer is lost is in force: only looking again tells."""
    with http(sim) as client:
        client.put(f"{MODULE}/receiver", json={"icode": "g142"})
        sim.fail_requests(kind=Kind.RESET, path_prefix="/api/commit", after_effect=True)
        with pytest.raises(httpx.TransportError):
            client.put("/api/commit")
        answer = client.get("/api/status/chassis0/slots/clk1/module/tcr").json()
    assert (answer["data"]["icode"], answer["changes"]["pending-changes"]) == ("g142", 0)


@pytest.mark.parametrize("kind", [Kind.SLOW, Kind.TRICKLE])
def test_late_answers_are_whole(sim: Simulator, kind: Kind) -> None:
    """An answer that comes late, at once or in pieces, is the real one."""
    sim.fail_requests(kind=kind, path_prefix="/api/status", delay_seconds=0.2)
    with http(sim) as client:
        assert client.get("/api/status").json()["data"]["object-id"] == "status"


def test_slow_answer_is_a_timeout(sim: Simulator) -> None:
    """A client that waits less long than the delay gives up with a time-out."""
    with LantimeClient(sim.url, "info", "info", timeout_seconds=0.1) as device:
        sim.fail_requests(kind=Kind.SLOW, path_prefix="/api/status", delay_seconds=30)
        with pytest.raises(DeviceUnreachable) as raised:
            device.status()
    assert raised.value.problem is Problem.TIMEOUT


def test_stop_does_not_wait_for_late_answers(caplog: pytest.LogCaptureFixture) -> None:
    """A simulator that is to stop hangs up on who waits for a late answer, without any complaint."""
    sim = Simulator()
    sim.start()
    sim.fail_requests(kind=Kind.TRICKLE, path_prefix="/api/status", delay_seconds=30)
    with http(sim) as client, client.stream("GET", "/api/status") as response:
        sim.stop()
        with pytest.raises(httpx.TransportError):
            response.read()
    complaints = [each for each in caplog.records if each.levelno >= logging.WARNING]
    assert [each.getMessage() for each in complaints if each.name.startswith("uvicorn")] == []


def test_who_gives_up_waiting_is_noticed(sim: Simulator, caplog: pytest.LogCaptureFixture) -> None:
    """A client that goes away in the middle of a late answer is no error of the server."""
    sim.fail_requests(kind=Kind.TRICKLE, path_prefix="/api/status", delay_seconds=30)
    with http(sim) as client, client.stream("GET", "/api/status"):
        pass
    sim.stop()
    assert [each.getMessage() for each in caplog.records if each.levelname == "ERROR"] == []


def test_certificate_stays(tmp_path: Path) -> None:
    """A certificate that was asked for is made once with its key, and trusted over restarts."""
    file = tmp_path / "lantime.pem"
    with Simulator(tls=True, certificate_file=file) as sim:
        assert sim.certificate_file == file
        before = file.read_bytes()
    key_file = tmp_path / "lantime.pem.key"
    assert key_file.stat().st_mode & 0o077 == 0
    with (
        Simulator(tls=True, certificate_file=file) as sim,
        LantimeClient(sim.url, "info", "info", verify=file) as device,
    ):
        assert device.status().chassis()
    assert file.read_bytes() == before


@pytest.mark.parametrize("broken", ["no key", "other key", "garbage", "ended", "no folder"])
def test_certificate_that_cannot_be_used(tmp_path: Path, broken: str) -> None:
    """A certificate without its key, with another one, no certificate, or an old one is told before anything listens."""
    file = tmp_path / "lantime.pem"
    clock = ManualClock(1_700_000_000_000_000)
    with Simulator(tls=True, certificate_file=file, clock=clock):
        pass
    match broken:
        case "no key":
            (tmp_path / "lantime.pem.key").unlink()
        case "other key":
            with Simulator(tls=True, certificate_file=tmp_path / "other.pem", clock=clock):
                (tmp_path / "other.pem.key").replace(tmp_path / "lantime.pem.key")
        case "garbage":
            file.write_bytes(b"garbage")
        case "ended":
            clock.advance(400 * 86_400)
        case _:
            file = tmp_path / "gone" / "lantime.pem"
    sim = Simulator(tls=True, certificate_file=file, clock=clock)
    with pytest.raises(SettingError, match="--certificate-file"):
        sim.start()


@pytest.fixture
def start() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts `interapp simulator` as a process."""
    started: list[subprocess.Popen[str]] = []

    def run(*arguments: str) -> subprocess.Popen[str]:
        script = "from broker.cli.main import main; main()"
        process = subprocess.Popen(
            [sys.executable, "-W", "error", "-c", script, "simulator", "--no-tls", "--port", "0", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield run
    for process in started:
        process.kill()
        process.communicate()


def url_of(process: subprocess.Popen[str]) -> str:
    """Return the address that the process says it listens on."""
    assert process.stdout is not None
    found = re.search(r" at (http\S+);", process.stdout.readline())
    assert found is not None
    return found[1]


def test_time_line_of_a_process(start: Callable[..., subprocess.Popen[str]], tmp_path: Path) -> None:
    """A process plays its time line by itself, says each step, and the device is as the steps left it."""
    file = tmp_path / "story.toml"
    file.write_text(
        '[[steps]]\nat = 0\nslot = "clk1"\nscenario = "jitter"\n'
        '[[steps]]\nat = 0.3\naction = "pull"\nslot = "clk1"\n'
        '[[steps]]\nat = 0.6\naction = "plug"\nslot = "clk1"\nserial = "068111029999"\n'
    )
    process = start("--scenario", str(file))
    url = url_of(process)
    assert process.stdout is not None
    assert [process.stdout.readline() for _ in range(3)] == [
        "at 0 s: set-scenario slot=clk1 scenario=jitter\n",
        "at 0.3 s: pull slot=clk1\n",
        "at 0.6 s: plug slot=clk1 serial=068111029999\n",
    ]
    with LantimeClient(url, "info", "info") as device:
        found = device.slot("clk1").module
    assert found is not None
    assert found.serial == "068111029999"
    process.terminate()
    assert process.wait(20) == 0


def test_everything_a_process_can_be_given(start: Callable[..., subprocess.Popen[str]], tmp_path: Path) -> None:
    """Scenario, state, SyncMon nodes and reading without login can be asked for; what was saved is there the next time."""
    state = tmp_path / "state.json"
    options = ("--scenario", "no-signal", "--state", str(state), "--syncmon-nodes", "2", "--anonymous-read")
    for expected in ("b122-b123", "g142"):
        process = start(*options)
        with httpx.Client(base_url=url_of(process), trust_env=False) as client:
            status = client.get("/api/status").json()["data"]
            (clk1,) = [each for each in status["chassis0"]["slots"] if each["slot-id"] == "clk1"]
            receiver = clk1["module"]["tcr"]
            assert (receiver["signal"], receiver["icode"], len(status["syncmon"]["nodes"])) == (0, expected, 2)
            admin = ("admin", "admin")
            client.put(f"{MODULE}/receiver", json={"icode": "g142"}, auth=admin)
            client.put("/api/commit", auth=admin)
            assert client.put("/api/write", json={"parameters": {"package": "all"}}, auth=admin).status_code == 200
        process.terminate()
        assert process.wait(20) == 0


@pytest.mark.parametrize(
    ("option", "content", "named"),
    [
        ("--scenario", None, "cold-start"),
        ("--scenario", '{"steps": [{"at": 1, "slot": "clk9", "scenario": "locked"}]}', "step 1"),
        ("--state", "{}", "no state of a simulator"),
    ],
)
def test_wrong_files_end_the_process(
    start: Callable[..., subprocess.Popen[str]], tmp_path: Path, option: str, content: str | None, named: str
) -> None:
    """A time line or a state that cannot be is one line on stderr with the file's name, and exit code 2."""
    file = tmp_path / "file.json"
    if content is not None:
        file.write_text(content)
    process = start(option, str(file))
    stdout, stderr = process.communicate(timeout=20)
    assert (process.returncode, stdout, len(stderr.splitlines())) == (2, "", 1)
    assert str(file) in stderr
    assert named in stderr
