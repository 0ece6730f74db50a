"""The device report keeps what extends interapp, and nothing that tells whose device it is."""

import base64
import copy
import json
from itertools import chain
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner, Result
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from broker.cli.root import interapp
from lantime.answer import DeviceAnswer
from lantime.client import LantimeClient
from lantime.report.asking import ask
from lantime.report.masking import Masker
from lantime.report.vocabulary import EXACT, SENSITIVE, WORDS
from lantime.simulator.api import SimulatedRequest, respond
from lantime.simulator.controls import Controls
from lantime.status import module, mrs, other_receivers, receiver, reported_module
from lantime.status.unknown_keys import unknown_keys

SECRETS = (
    *(
        "030111006950",
        "68111020467",
        "mbg1.time.example.com",
        "ntp-berlin",
        "Turnhalle",
        "10.23.4.17",
        "192.168.1.1/24",
    ),
    *("00:13:95:1a:2b:3c", "00-13-95-1A-2B-3C", "fe80::213:95ff:fe1a:2b3c", "2001:db8::1", "jane.doe@example.com"),
    *("jdoe", "Jane Doe", "public-community", "N51 59.2 E009 13.4", "51.9871", "$6$salt$hash", "roof of hall 7"),
    *("Grüner Turm", "\u202esecret", "xn--turm-0ra", "0xC0A80101C0A80101", "+49 5281 93090", "tcr180-of-jane"),
)
HARMLESS = (
    "synchronized",
    "b122-b123",
    "less-than-100ns",
    "c37.118",
    "20.05.013",
    "fw_7.10.008",
    "ptp-ieee1588",
    "clk1",
)
KEYS = (
    "model",
    "status",
    "module",
    "tcr",
    "version",
    "object-id",
    "value",
    "info",
    "flags",
    "last-update",
    "slots",
    "name",
)

CLK: dict[str, Any] = {
    "object-id": "clk1",
    "slot-id": "clk1",
    "slot-type": "clk",
    "slot-position": "0,2,1",
    "module": {
        "info": {"model": "tcr180", "serial-number": "068111020467    ", "software-revision": "v1.21"},
        "sync-status": {"est-time-quality": "less-than-10us", "clock-status": {"clock": "synchronized"}},
        "tcr": {"icode": "c37.118", "agc": 142, "new-gain-level": 7, "state": {"lock-on": True}},
        "satellites": {"good-satellites": 9, "latitude": 51.9871, "longitude": 9.2239},
    },
}
STATUS: dict[str, Any] = {
    "system-information": {
        "API Version": "LANTIME REST API V20.05.013",
        "hostname": "mbg1.time.example.com",
        "serial-number": "068111020467",
    },
    "data": {
        "object-id": "status",
        "rest-api": {"api-version": "20.05.013"},
        "chassis0": {"slots": [CLK, {"object-id": "clk2", "slot-id": "clk2"}]},
    },
}


def device(status: Any = STATUS, config: httpx.Response | None = None) -> LantimeClient:
    """Return a client of a device that answers this status, and this to whoever asks for a configuration."""

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/api/status":
            return httpx.Response(200, json=status)
        return config or httpx.Response(404)

    url = "https://mbg1.time.example.com"
    return LantimeClient(url, "info", "info", verify=False, transport=httpx.MockTransport(answer))


def report(
    status: Any = STATUS, *, slots: tuple[str, ...] = (), config: httpx.Response | None = None
) -> dict[str, Any]:
    """Return the report of such a device."""
    return ask(device(status, config), frozenset(slots), interapp="1.2.3")


def scalars() -> st.SearchStrategy[Any]:
    """Return harmless values."""
    return st.none() | st.booleans() | st.integers(-99, 99) | st.sampled_from(HARMLESS)


def planted(secret: str) -> st.SearchStrategy[Any]:
    """Return JSON that holds a secret in any place: as a value, a key, or within a longer text."""
    texts = st.sampled_from(
        (secret, f" {secret} ", f"see {secret}", f"{secret}.", f"synchronized {secret}", secret.upper())
    )
    return st.recursive(
        scalars() | texts,
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from((*KEYS, secret, f"{secret}-1")), inner, max_size=4)
        ),
        max_leaves=12,
    )


def assert_gone(secret: str, document: Any) -> None:
    """Assert that a secret is nowhere in a document, in whatever case."""
    shown = json.dumps(document, ensure_ascii=False).lower()
    assert secret.lower() not in shown
    assert json.dumps(secret)[1:-1].lower() not in json.dumps(document).lower()


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data(), st.sampled_from(SECRETS))
def test_no_secret_survives_the_mask(data: st.DataObject, secret: str) -> None:
    """Whatever is planted anywhere in a JSON, as key or value or within a text, is not in what the mask lets through."""
    assert_gone(secret, Masker().mask(data.draw(planted(secret))))


def test_a_coordinate_is_no_version() -> None:
    """What stands under "version" is kept when it looks like one, and a degree with four decimals does not."""
    assert Masker().mask({"version": "20.05.013"}) == {"version": "20.05.013"}
    assert_gone("51.9871", Masker().mask({"version": "51.9871"}))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.data(), st.sampled_from(SECRETS), st.sampled_from(["module", "tcr", "info", "slot", "chassis", "data", "key"])
)
def test_no_secret_survives_in_a_report(data: st.DataObject, secret: str, place: str) -> None:
    """Wherever in a device's answer a secret stands, the whole report does not hold it: status, modules, configurations."""
    status = copy.deepcopy(STATUS)
    chassis = status["data"]["chassis0"]
    slot = chassis["slots"][0]
    holder, key = {
        "module": (slot, "module"),
        "tcr": (slot["module"], "tcr"),
        "info": (slot["module"]["info"], "serial-number"),
        "slot": (slot, "slot-id"),
        "chassis": (chassis, "slots"),
        "data": (status["data"], "network"),
        "key": (slot["module"]["tcr"], secret),
    }[place]
    holder[key] = data.draw(planted(secret))
    config = httpx.Response(200, json={"data": data.draw(planted(secret))})
    assert_gone(secret, report(status, config=config))


@settings(max_examples=150, deadline=None)
@given(st.text(min_size=6, max_size=40), st.sampled_from((*KEYS, "unheard-of", "")))
def test_no_text_that_is_not_known_survives(text: str, key: str) -> None:
    """A text survives only when it is made of words of the trade, is a short number, a version or a time."""
    masked = Masker().mask({key: text})
    assume(text.strip())
    (value,) = masked.values()  # type: ignore[union-attr]  # an object stays one
    if value == text:
        letters = "".join(c if c.isalpha() else " " for c in text.lower()).split()
        assert all(word in WORDS | SENSITIVE or len(word) <= 2 for word in letters)


@pytest.mark.parametrize(
    "document",
    [
        {"latitude": 51.9871},
        {"position": {"degrees": 51, "minutes": 59}},
        {"object-id": "latitude", "value": 51.9871},
        {"serial-number": 30111006950},
        {"value": 30111006950},
        {"unheard-of": 4711},
        {"hostname": "clock"},
        {"users": {"slot": "master"}},
    ],
)
def test_numbers_and_words_are_masked_where_they_tell_something(document: dict[str, Any]) -> None:
    """Positions, serial numbers and names are masked even where they are numbers, or words of the trade."""

    def leaves(value: Any) -> list[Any]:
        if isinstance(value, dict):
            return list(chain.from_iterable(map(leaves, value.values())))
        return [value]

    about = {"latitude"}
    assert all(str(leaf).startswith("<") or leaf in about for leaf in leaves(Masker().mask(document)))


def test_the_same_value_has_the_same_pseudonym_and_another_another() -> None:
    """Within one report a reader sees that a value stands in two places, padded or not, and what sort of thing it is."""
    masker = Masker()
    first = masker.mask({"serial-number": "0123", "hostname": "turm", "address": "10.0.0.1"})
    second = masker.mask({"mac": "00:13:95:1a:2b:3c", "serial-number": "0123   ", "name": "jane@example.com"})
    assert first == {"serial-number": "<digits-1>", "hostname": "<text-1>", "address": "<ip-1>"}
    assert second == {"mac": "<mac-1>", "serial-number": "<digits-1>", "name": "<mail-1>"}
    assert dict(masker.counts) == {"digits": 1, "text": 1, "ip": 1, "mac": 1, "mail": 1}


@pytest.mark.parametrize("value", HARMLESS)
def test_words_of_the_trade_stay(value: str) -> None:
    """Enum words, codes, versions and slot ids stay as they are."""
    key = "version" if value[-1].isdigit() and "." in value and value != "c37.118" else "status"
    assert Masker().mask({key: value}) == {key: value}


def test_every_key_that_is_read_is_a_word_of_the_trade() -> None:
    """No key that interapp itself reads is masked."""
    keys = {
        *module.KEYS,
        *mrs.KEYS,
        *receiver.KEYS,
        *receiver.NAMES,
        *other_receivers.KEYS,
        *other_receivers.OTHER_NAMES,
    }
    masker = Masker()
    assert {key for key in keys if masker.key(key) != key} == set()


def test_structure_states_and_numbers_stay() -> None:
    """What extends interapp is in the report: keys, states, flags, numbers, the module's model and software."""
    made = report()
    clk1 = made["status"]["data"]["chassis0"]["slots"][0]
    assert clk1["slot-position"] == "0,2,1"
    assert clk1["module"]["info"] == {"model": "tcr180", "serial-number": "<digits-1>", "software-revision": "v1.21"}
    assert clk1["module"]["tcr"] == CLK["module"]["tcr"]
    assert clk1["module"]["satellites"]["good-satellites"] == 9
    assert str(clk1["module"]["satellites"]["latitude"]).startswith("<number-")
    assert made["status"]["system-information"]["serial-number"] == "<digits-1>"


@pytest.mark.parametrize("api", [8, 10, 16, 20])
def test_a_simulated_tcr_is_kept_whole_but_for_its_serial_number(api: int) -> None:
    """Of a TCR as far as it is known on every version, no key and no word is masked, and no key is unknown."""
    login = f"Basic {base64.b64encode(b'info:info').decode()}"
    simulated = Controls(model="M1000", api=api)
    answer = respond(simulated, SimulatedRequest(method="GET", path="/api/status", authorization=login))
    module_object = reported_module(answer.body, "clk1")
    assert module_object is not None
    masked = Masker().mask(module_object)
    serial = module_object["info"]["serial-number"]  # type: ignore[index,call-overload]  # the simulator's form
    assert json.dumps(masked).replace("<digits-1>", serial) == json.dumps(module_object)
    assert unknown_keys(module_object) == []


def test_a_report_says_what_was_understood_and_what_not() -> None:
    """Per module the report names what was understood, what is missing and which keys are unknown; with all versions."""
    made = report()
    assert (made["interapp"], made["api-version"], made["compatibility"]) == ("1.2.3", "20.05.013", None)
    (place,) = made["modules"]
    assert place == "chassis0.clk1"
    found = made["modules"][place]
    assert (found["taken for"], found["states"]["clock"]) == ("tcr", "synchronized")
    assert {"clock", "time_quality", "receiver.agc", "receiver.bits", "satellites"} <= set(found["understood"])
    assert {"mrs", "drift", "pcps"} <= set(found["not reported"])
    assert found["unknown keys"] == ["tcr.new-gain-level", "satellites.latitude", "satellites.longitude"]


def test_unknown_keys_are_found_once_with_their_place() -> None:
    """A key is unknown wherever it stands, is named once for a whole list, and what is below it is left out."""
    reported = {"mrs": [{"new": 1}, {"new": {"deeper": 2}}], "other": {"info": 1}}
    assert unknown_keys(reported) == [("mrs", "new"), ("other",)]
    assert unknown_keys([1, None, "x"]) == []


@pytest.mark.parametrize("slots", [("clk2",), ("clk1",), ("clk1", "clk2")])
def test_a_report_of_some_slots_holds_no_other(slots: tuple[str, ...]) -> None:
    """With --slot the other slots' modules are left out."""
    made = report(slots=slots)
    assert [slot["slot-id"] for slot in made["status"]["data"]["chassis0"]["slots"]] == list(slots)
    assert set(made["modules"]) == ({"chassis0.clk1"} if "clk1" in slots else set())


def test_configurations_are_in_it_when_the_device_gives_them() -> None:
    """What the configuration of a clock module answers is masked like the status; why it did not come is noted without names."""
    given = httpx.Response(200, json={"data": {"receiver": {"icode": "g146"}, "comment": "roof of hall 7"}})
    assert report(config=given)["configurations"] == {
        "chassis0.clk1": {"data": {"receiver": {"icode": "g146"}, "comment": "<text-1>"}}
    }
    refused = report()["configurations"]["chassis0.clk1"]
    assert refused == {"not read": "WriteRefused", "http status": 404}


def test_a_deep_answer_ends_no_report() -> None:
    """What is nested beyond reason is cut, not an error."""
    deep: Any = "secret-word"
    for _ in range(300):
        deep = [deep]
    assert_gone("secret-word", Masker().mask({"status": deep}))


def test_the_vocabulary_holds_no_secret() -> None:
    """The words that are kept are those of the trade: in lower case, without digits, and none of the tests' secrets."""
    assert all(word.isalpha() and word.islower() for word in WORDS | SENSITIVE)
    assert not {secret.lower() for secret in SECRETS} & (WORDS | EXACT)


def test_an_answer_of_another_shape_is_read(tmp_path: Path) -> None:
    """A status that is wrapped in its name, with its slots by name, is limited to a slot as well."""
    wrapped = {"data": {"status": {"chassis0": {"slots": {"clk1": CLK, "clk2": {}}}}}}
    made = report(wrapped, slots=("clk1",))
    assert [slot["slot-id"] for slot in made["status"]["data"]["status"]["chassis0"]["slots"]] == ["clk1"]
    assert isinstance(DeviceAnswer(url="", body=wrapped).chassis(), list)


class Cli:
    """The command, with a device that answers."""

    def run(self, *args: str) -> Result:
        """Run ``interapp device-report ARGS…``."""
        return CliRunner().invoke(interapp, ["device-report", *args])


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch) -> Cli:
    """The command line, whose device is this test's."""
    monkeypatch.setenv("LANTIME_URL", "https://mbg1.time.example.com")
    monkeypatch.setattr(LantimeClient, "from_settings", classmethod(lambda *_args, **_options: device()))
    return Cli()


def test_the_command_writes_a_file(cli: Cli, tmp_path: Path) -> None:
    """With --output the report is a file and stdout is empty; without, it is on stdout."""
    file = tmp_path / "report.json"
    result = cli.run("--output", str(file), "--slot", "clk1")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "read it before you give it to somebody" in result.stderr
    assert set(json.loads(file.read_text())["modules"]) == {"chassis0.clk1"}
    assert json.loads(cli.run().stdout)["format"] == 1


def test_what_cannot_be_done_is_said(cli: Cli, tmp_path: Path) -> None:
    """A slot that is not there and a file that cannot be written end with one clear line and code 1."""
    unknown = cli.run("--slot", "clk9")
    assert (unknown.exit_code, unknown.stdout) == (1, "")
    assert "no slot 'clk9'; it has clk1, clk2" in unknown.stderr
    nowhere = cli.run("--output", str(tmp_path / "missing" / "report.json"))
    assert nowhere.exit_code == 1
    assert "cannot be written" in nowhere.stderr
