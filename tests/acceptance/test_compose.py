"""`docker-compose.yml` and `Dockerfile`, known to be right where no Docker engine runs.

Each of our services is run as a plain process with the command and the environment that the file gives it; only host
names and ports are replaced: RabbitMQ and PostgreSQL by the test's own, the others by free ports of this machine.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml
from acceptance.fleet import ask

from broker.runtime.host import STOP_SECONDS
from broker.settings import EnvironmentSettings, InterAppSettings
from lantime.settings import LantimeSettings
from servers.management import Permissions
from servers.ports import ReservedPort
from servers.postgresql import installed_postgresql
from servers.processes import InterappProcess, clean_environment, eventually, run_interapp
from servers.rabbitmq import RabbitMQAddress
from tcr_child.settings import TcrSettings

ROOT = Path(__file__).resolve().parents[2]
SERVICES = ("parent", "child-clk1", "child-clk2", "child-pool")
OURS = ("simulator", *SERVICES)
SETTINGS: tuple[type[EnvironmentSettings], ...] = (InterAppSettings, LantimeSettings, TcrSettings)
VARIABLE = re.compile(r"\$\{(\w+):-([^}]*)\}")
CHASSIS = "m3000-a"
CLK1 = f"{CHASSIS}.clk1"


@cache
def compose_text() -> str:
    """Return docker-compose.yml as it is written."""
    return (ROOT / "docker-compose.yml").read_text(encoding="utf-8")


@cache
def compose() -> dict[str, Any]:
    """Return docker-compose.yml as compose reads it where no variable is set."""
    resolved = VARIABLE.sub(lambda found: found[2], compose_text())
    parsed: dict[str, Any] = yaml.safe_load(resolved.replace("$$", "$"))
    return parsed


def service(name: str) -> dict[str, Any]:
    """Return one service of docker-compose.yml."""
    found: dict[str, Any] = compose()["services"][name]
    return found


def environment(name: str) -> dict[str, str]:
    """Return what a service's process finds in its environment."""
    return {key: str(value) for key, value in service(name).get("environment", {}).items()}


def dockerfile() -> list[tuple[str, str]]:
    """Return the instructions of the Dockerfile: name and arguments."""
    text = re.sub(r"\\\n\s*", "", (ROOT / "Dockerfile").read_text(encoding="utf-8"))
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [(name, rest.strip()) for name, _, rest in (line.partition(" ") for line in lines)]


def instruction(name: str) -> str:
    """Return the arguments of the last instruction of that name, which is the one that counts."""
    return [rest for found, rest in dockerfile() if found == name][-1]


class Deployment:
    """The services of docker-compose.yml that are ours, as processes of this machine."""

    def __init__(self, folder: Path, amqp_url: str, postgres_url: str) -> None:
        self.folder = folder
        self.urls = {"INTERAPP_BROKER_URL": amqp_url, "INTERAPP_DATABASE_URL": postgres_url}
        self.own_broker_urls: dict[str, str] = {}
        """By service: where RabbitMQ knows it as a user of its own."""
        self.processes: dict[str, InterappProcess] = {}
        self.said = ""
        self._ports: dict[tuple[str, str], ReservedPort] = {}

    def port(self, name: str, container_port: str) -> int:
        """Return the port of this machine that stands for a port of a service's container."""
        if (name, container_port) not in self._ports:
            self._ports[name, container_port] = ReservedPort()
        return self._ports[name, container_port].number

    def environment(self, name: str) -> dict[str, str]:
        """Return a service's environment with its hosts and ports replaced."""
        found = {**environment(name), **{key: url for key, url in self.urls.items() if key in environment(name)}}
        if name in self.own_broker_urls:
            found["INTERAPP_BROKER_URL"] = self.own_broker_urls[name]
        if "INTERAPP_HTTP_PORT" in found:
            found["INTERAPP_HTTP_PORT"] = str(self.port(name, found["INTERAPP_HTTP_PORT"]))
        if "LANTIME_URL" in found:
            url = urlsplit(found["LANTIME_URL"])
            assert url.hostname == "simulator", "by default the one of this file"
            found["LANTIME_URL"] = f"{url.scheme}://127.0.0.1:{self.port('simulator', str(url.port))}"
            found["LANTIME_POLL_SECONDS"] = "1"
        return found

    def command(self, name: str) -> list[str]:
        """Return a service's arguments with its port replaced."""
        arguments: list[str] = list(service(name)["command"])
        if "--port" in arguments:
            at = arguments.index("--port") + 1
            arguments[at] = str(self.port(name, arguments[at]))
        return arguments

    def start(self, name: str) -> InterappProcess:
        """Start a service as the image does: its ENTRYPOINT with the service's command."""
        (entry,) = json.loads(instruction("ENTRYPOINT"))
        assert entry == "interapp", "what InterappProcess runs"
        process = InterappProcess(*self.command(name), cwd=self.folder, env=self.environment(name)).start()
        self.processes[name] = process
        return process

    def healthy(self, name: str) -> bool:
        """Run a service's health check as Docker does; tell whether it succeeded."""
        how, *command = service(name)["healthcheck"]["test"]
        assert how == "CMD"
        for (owner, container_port), port in self._ports.items():
            if owner == name:
                command = [argument.replace(f" {container_port},", f" {port.number},") for argument in command]
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=clean_environment(self.environment(name), home=self.folder),
            capture_output=True,
            text=True,
            timeout=10,
            check=False,
        )
        self.said = done.stderr
        return done.returncode == 0

    def wait_healthy(self, name: str) -> None:
        """Wait until a service's health check succeeds; AssertionError with its output otherwise."""
        try:
            eventually(lambda: self.healthy(name), 30, f"{name} is healthy")
        except AssertionError as exc:
            msg = f"{exc}: {self.said}; output:\n{self.processes[name].output()}"
            raise AssertionError(msg) from None

    def listing(self, *args: str) -> list[dict[str, Any]]:
        """Return what `interapp ARGS… --json` lists in the parent's container."""
        done = run_interapp(*args, "--json", cwd=self.folder, env=self.environment("parent"))
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    def close(self) -> None:
        """End everything."""
        for process in self.processes.values():
            process.kill()
        for port in self._ports.values():
            port.release()


@pytest.fixture
def deployment(tmp_path: Path, amqp_url: str, postgres_url: str) -> Iterator[Deployment]:
    """Nothing started yet."""
    deployment = Deployment(tmp_path, amqp_url, postgres_url)
    yield deployment
    deployment.close()


def test_every_service_comes_up_works_and_ends(deployment: Deployment) -> None:
    """The commands and environments of the file make a working installation, and SIGTERM ends it in good order."""
    for name in OURS:
        deployment.start(name)
    for name in OURS:
        deployment.wait_healthy(name)
    for name in SERVICES:
        ready = ask(int(deployment.environment(name)["INTERAPP_HTTP_PORT"]), "/readyz")
        assert (ready.status, ready.body["status"]) == (200, "ok")
        assert set(ready.body["checks"]) >= {"table", "transport"}

    def handled() -> set[tuple[str, str]]:
        lines = deployment.listing("handlers", "--limit", "1000", "--state", "succeeded")
        return {(line["destination"], line["kind"]) for line in lines}

    expected = {
        (f"{CHASSIS}.{slot}", kind) for slot in ("clk1", "clk2") for kind in ("tcr.assign-slot", "tcr.module-status")
    }
    eventually(lambda: handled() >= {*expected, (CHASSIS, "tcr.ready")}, 20, "the children are assigned and informed")
    slots = {line["slot"]: line for line in deployment.listing("slots")}
    assert {line["chassis"] for line in slots.values()} == {CHASSIS}
    assert slots["clk1"]["app"] == CLK1

    def standing() -> dict[str, list[str]]:
        workers = deployment.listing("workers")
        apps = sorted({line["app"] for line in workers})
        return {app: sorted(line["status"] for line in workers if line["app"] == app) for app in apps}

    served = {CHASSIS: ["active"], CLK1: ["active", "standby"], f"{CHASSIS}.clk2": ["active", "standby"]}
    expected_standing = {**served, f"{CHASSIS}.pool": ["standby"]}
    eventually(
        lambda: standing() == expected_standing, 20, "one child serves each slot, and the pool stands by for both"
    )

    for name in reversed(OURS):
        process = deployment.processes[name]
        assert process.terminate() == 0, process.output()
        assert "Traceback" not in process.output()
        assert not deployment.healthy(name), f"nobody serves {name} any more"


def test_a_service_that_is_not_ready_is_unhealthy(deployment: Deployment) -> None:
    """A health check fails while a service runs but cannot do its work."""
    deployment.urls["INTERAPP_BROKER_URL"] = (
        f"amqp://interapp:x@127.0.0.1:{deployment.port('rabbitmq', '5672')}/interapp"
    )
    deployment.start("child-clk1").wait_for_line("ready")
    port = int(deployment.environment("child-clk1")["INTERAPP_HTTP_PORT"])
    eventually(lambda: ask(port, "/livez").status == 200, 10, "it lives")
    assert ask(port, "/readyz").status == 503
    assert not deployment.healthy("child-clk1")


def test_postgresql_is_healthy_when_it_answers(deployment: Deployment, postgres_url: str) -> None:
    """PostgreSQL's health check succeeds at a server that takes connections, and fails where there is none."""
    binaries = installed_postgresql()
    if binaries is None:
        pytest.skip("pg_isready is not installed: PostgreSQL is reached by address or runs in a container")
    how, command = service("postgres")["healthcheck"]["test"]
    assert how == "CMD-SHELL"
    port = urlsplit(postgres_url).port
    for server_port, code in ((port, 0), (deployment.port("postgres", "5432"), 2)):
        env = {**environment("postgres"), "PGPORT": str(server_port), "PATH": f"{binaries}:{os.defpath}"}
        assert subprocess.run(["/bin/sh", "-c", command], env=env, timeout=10, check=False).returncode == code


def test_every_variable_is_a_real_setting() -> None:
    """What the file sets for our services is known to a settings class, and valid there."""
    known = {
        f"{settings.model_config.get('env_prefix')}{field}".upper()
        for settings in SETTINGS
        for field in settings.model_fields
    }
    for name in OURS:
        unknown = environment(name).keys() - known
        assert not unknown, f"{name} sets {sorted(unknown)}, which nobody reads"


def test_the_guide_names_every_variable_and_service() -> None:
    """`docs/deploy.md` explains each variable that our services get, and each service of the file."""
    guide = (ROOT / "docs/deploy.md").read_text(encoding="utf-8")
    named = {variable for name in OURS for variable in environment(name)} | set(compose()["services"])
    assert not [word for word in sorted(named) if f"`{word}`" not in guide]


@pytest.mark.parametrize("name", OURS)
def test_the_settings_are_valid(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """With nothing but the file's defaults every settings class accepts its environment."""
    monkeypatch.chdir(tmp_path)
    for variable in [key for key in os.environ if key.startswith(("INTERAPP_", "LANTIME_", "TCR_"))]:
        monkeypatch.delenv(variable)
    for key, value in environment(name).items():
        monkeypatch.setenv(key, value)
    for settings in SETTINGS:
        settings.load()


def test_logins_and_names_agree() -> None:
    """Hosts, users, passwords, virtual host and database in our URLs are those of the servers in the same file."""
    for name in SERVICES:
        found = environment(name)
        broker, rabbitmq = urlsplit(found["INTERAPP_BROKER_URL"]), environment("rabbitmq")
        assert (broker.hostname, broker.port, broker.path) == (
            "rabbitmq",
            5672,
            f"/{rabbitmq['RABBITMQ_DEFAULT_VHOST']}",
        )
        assert (broker.username, broker.password) == (
            rabbitmq["RABBITMQ_DEFAULT_USER"],
            rabbitmq["RABBITMQ_DEFAULT_PASS"],
        )
        database, postgres = urlsplit(found["INTERAPP_DATABASE_URL"]), environment("postgres")
        assert (database.hostname, database.port, database.path) == ("postgres", 5432, f"/{postgres['POSTGRES_DB']}")
        assert (database.username, database.password) == (postgres["POSTGRES_USER"], postgres["POSTGRES_PASSWORD"])
    policies, rabbitmq = environment("rabbitmq-policies"), environment("rabbitmq")
    assert policies["RABBITMQ_VHOST"] == rabbitmq["RABBITMQ_DEFAULT_VHOST"]
    assert policies["RABBITMQ_PASSWORD"] == rabbitmq["RABBITMQ_DEFAULT_PASS"]


def test_services_start_in_order_and_come_back() -> None:
    """Every long-running service restarts and has a health check; what another needs is awaited by it."""
    assert "version" not in compose()
    for name, found in compose()["services"].items():
        if name == "rabbitmq-policies":
            continue
        assert found["restart"] == "unless-stopped", name
        assert found["healthcheck"]["test"], name
    awaited = {name: {need: how["condition"] for need, how in service(name)["depends_on"].items()} for name in OURS[1:]}
    for name, needs in awaited.items():
        assert needs["rabbitmq"] == needs["postgres"] == "service_healthy", name
        assert needs["rabbitmq-policies"] == "service_completed_successfully", name
    assert awaited["parent"]["simulator"] == "service_healthy"


def test_a_stop_waits_longer_than_a_handler_may_take() -> None:
    """Docker kills a service later than the service gives up waiting for its handler."""
    for name in OURS:
        grace = service(name)["stop_grace_period"]
        assert int(grace.removesuffix("s")) > STOP_SECONDS, name


def test_no_secret_is_in_an_argument() -> None:
    """Passwords come from the environment, never from commands, health checks or the image."""
    secrets = {default for variable, default in VARIABLE.findall(compose_text()) if "PASSWORD" in variable}
    assert secrets
    words = {default for default in secrets if default != "info"}  # the simulator's login is no secret
    for name, found in compose()["services"].items():
        arguments = json.dumps([found.get("entrypoint"), found.get("command"), found.get("healthcheck")])
        assert not [word for word in words if word in arguments], name
    assert not [word for word in words if word in (ROOT / "Dockerfile").read_text(encoding="utf-8")]


def test_the_example_of_env_shows_every_default() -> None:
    """`.env.example` names exactly the variables of the file, with the same defaults, and changes nothing when copied."""
    example = (ROOT / ".env.example").read_text(encoding="utf-8")
    shown = dict(re.findall(r"^# ([A-Z_]+)=(.*)$", example, re.MULTILINE))
    assert shown == dict(VARIABLE.findall(compose_text()))
    assert not [line for line in example.splitlines() if line and not line.startswith("#")]


def test_the_image_is_made_of_what_is_there() -> None:
    """The Dockerfile copies existing files that .dockerignore lets through, among them every package and the pins."""
    wanted = {
        line[1:] for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines() if line.startswith("!")
    }
    copied: set[str] = set()
    for rest in (rest for name, rest in dockerfile() if name == "COPY" and "--from" not in rest):
        copied |= set(rest.split()[:-1])
    assert copied == wanted
    assert not [path for path in copied if not (ROOT / path).exists()]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert copied >= {*project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"], project["project"]["readme"]}
    assert "constraints.txt" in copied
    assert [rest for name, rest in dockerfile() if name == "RUN" and "--constraint constraints.txt" in rest]


def test_the_image_runs_our_command_as_nobody_special() -> None:
    """The image's entry point is an installed command, run by a user of its own, in a folder that this user owns."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    (entry,) = json.loads(instruction("ENTRYPOINT"))
    assert entry in project["project"]["scripts"]
    assert json.loads(instruction("CMD")) == ["--help"]
    user = instruction("USER")
    assert user not in ("root", "0")
    [made] = [rest for name, rest in dockerfile() if name == "RUN" and "useradd" in rest]
    assert made.endswith(f" {user}")
    assert instruction("WORKDIR") in made
    minimum = project["project"]["requires-python"].removeprefix(">=").split(".")
    for base in (rest for name, rest in dockerfile() if name == "FROM"):
        version = re.fullmatch(r"python:(\d+)\.(\d+)-slim(?: AS build)?", base)
        assert version, base
        assert [*map(int, version.groups())] >= [*map(int, minimum)]


def run_policies(deployment: Deployment, env: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Run the program of the service rabbitmq-policies as the image has it."""
    python, program = service("rabbitmq-policies")["entrypoint"]
    assert python == "python"
    inside = [rest.split() for name, rest in dockerfile() if name == "COPY" and rest.startswith("deploy ")]
    [(source, target)] = inside
    return subprocess.run(
        [sys.executable, str(ROOT / source / Path(program).relative_to(target))],
        cwd=deployment.folder,
        env=clean_environment(env, home=deployment.folder),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def policy_environment(rabbitmq: RabbitMQAddress, amqp_url: str) -> dict[str, str]:
    """Return the environment of rabbitmq-policies with the test's server in it."""
    here = {
        "RABBITMQ_MANAGEMENT_URL": rabbitmq.management_url,
        "RABBITMQ_VHOST": urlsplit(amqp_url).path[1:],
        "RABBITMQ_USER": rabbitmq.user,
        "RABBITMQ_PASSWORD": rabbitmq.password,
    }
    assert environment("rabbitmq-policies").keys() == here.keys()
    return {**here, "RABBITMQ_AWAY_SECONDS": "0"}


def test_policies_are_set_and_the_topology_stays(
    deployment: Deployment, rabbitmq: RabbitMQAddress, amqp_url: str
) -> None:
    """Policies add dead-lettering and lift the delivery limit; what the product declares is what it always was."""
    env = policy_environment(rabbitmq, amqp_url)
    vhost = env["RABBITMQ_VHOST"]
    for _ in range(2):
        done = run_policies(deployment, env)
        assert done.returncode == 0, done.stderr
    assert env["RABBITMQ_PASSWORD"] not in done.stdout + done.stderr

    process = deployment.start("child-clk1")
    port = int(deployment.environment("child-clk1")["INTERAPP_HTTP_PORT"])
    eventually(lambda: ask(port, "/readyz").status == 200, 30, f"the child is ready: {process.output()}")

    def policies() -> dict[str, str]:
        """Return which policy applies to which queue; the management API knows it a moment later."""
        return {
            queue["name"]: queue["policy"] for queue in rabbitmq.management.list_queues(vhost) if queue.get("policy")
        }

    expected = {
        f"interapp.{CLK1}": "interapp-apps",
        "interapp.dead-letters": "interapp-kept",
        "interapp.unroutable": "interapp-kept",
    }
    eventually(lambda: policies() == expected, 15, "the policies apply to our queues, and to no doorbell")
    queues = {queue["name"]: queue for queue in rabbitmq.management.list_queues(vhost)}
    app, kept = queues[f"interapp.{CLK1}"], queues["interapp.dead-letters"]
    assert app["arguments"] == {"x-queue-type": "quorum", "x-single-active-consumer": True}
    assert kept["arguments"] == {"x-queue-type": "quorum"}
    assert app["effective_policy_definition"]["dead-letter-exchange"] == "interapp.dead"
    assert "dead-letter-exchange" not in kept["effective_policy_definition"], "no circle"
    exchanges = {exchange["name"] for exchange in rabbitmq.management.request("GET", "exchanges", vhost)}
    assert "interapp.dead" in exchanges

    # the file can also be imported as it is, by rabbitmqadmin or the management page
    definitions = json.loads((ROOT / "deploy/rabbitmq/policies.json").read_text(encoding="utf-8"))
    rabbitmq.management.request("POST", "definitions", vhost, json=definitions)


@pytest.fixture
def own_users(deployment: Deployment, rabbitmq: RabbitMQAddress, amqp_url: str) -> Iterator[tuple[str, ...]]:
    """The services that `deploy/rabbitmq/permissions.json` is for, each known to RabbitMQ as a user with those rights."""
    management, url = rabbitmq.management, urlsplit(amqp_url)
    rights = json.loads((ROOT / "deploy/rabbitmq/permissions.json").read_text(encoding="utf-8"))["permissions"]
    assert {each["vhost"] for each in rights} == {environment("rabbitmq")["RABBITMQ_DEFAULT_VHOST"]}
    services = {CHASSIS: "parent", CLK1: "child-clk1", f"{CHASSIS}.pool": "child-pool"}
    made = []
    for each in rights:
        # of this test alone: others use the same server
        made.append(f"{each['user']}-{url.path[1:]}")
        allowed = Permissions(each["configure"], each["write"], each["read"])
        management.create_user(made[-1], "secret", {url.path[1:]: allowed})
        deployment.own_broker_urls[services.pop(each["user"])] = url._replace(
            netloc=f"{made[-1]}:secret@{url.hostname}:{url.port}"
        ).geturl()
    assert not services
    yield tuple(deployment.own_broker_urls)
    for user in made:
        management.delete_user(user)


def test_each_service_works_with_the_rights_of_its_own_user(deployment: Deployment, own_users: tuple[str, ...]) -> None:
    """With the least rights of `deploy/rabbitmq/permissions.json`, parent, child and member do all that they must."""
    deployment.start("simulator")
    for name in own_users:
        # the parent first: it makes what the others may only use
        deployment.start(name)
        deployment.wait_healthy(name)

    def handled() -> set[tuple[str, str]]:
        lines = deployment.listing("handlers", "--limit", "1000", "--state", "succeeded")
        return {(line["destination"], line["kind"]) for line in lines}

    expected = {(app, "tcr.module-status") for app in (CLK1, f"{CHASSIS}.clk2")} | {(CHASSIS, "tcr.ready")}
    eventually(lambda: handled() >= expected, 30, "both slots are served, clk2 by the pool")
    deployment.processes["child-clk1"].kill()
    deployment.processes.pop("child-clk1")

    def took_over() -> bool:
        workers = deployment.listing("workers", "--app", CLK1)
        return [line["status"] for line in workers if line["ended_at"] is None] == ["active"]

    eventually(took_over, 20, "the pool's member serves clk1, too")
    for name in own_users:
        if name in deployment.processes:
            assert "ACCESS_REFUSED" not in deployment.processes[name].output()
            assert "AccessRefused" not in deployment.processes[name].output()
            assert deployment.healthy(name)


def test_policies_that_cannot_be_set_are_one_clear_line(
    deployment: Deployment, rabbitmq: RabbitMQAddress, amqp_url: str
) -> None:
    """A wrong password, an absent server and a missing variable are told in one line, with an exit code."""
    env = policy_environment(rabbitmq, amqp_url)
    absent = f"http://127.0.0.1:{deployment.port('rabbitmq', '15672')}"
    cases = [
        ({**env, "RABBITMQ_PASSWORD": "wrong-secret"}, 1, "401"),
        ({**env, "RABBITMQ_MANAGEMENT_URL": absent}, 1, absent),
        ({key: value for key, value in env.items() if key != "RABBITMQ_USER"}, 2, "RABBITMQ_USER"),
    ]
    for case, code, words in cases:
        done = run_policies(deployment, case)
        assert (done.returncode, done.stdout) == (code, "")
        [line] = done.stderr.splitlines()
        assert words in line
        assert "wrong-secret" not in line
