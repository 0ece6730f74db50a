"""Public Prometheus exporters for LANTIMEs can read the simulator.

Two are known: koenw/lantime-prometheus-exporter (Python, ``GET /api/`` without a login) and
raphaelthomas/meinberg-ltos-exporter (Go, ``GET /api/status`` with Basic). Here the paths and keys that they read are
read in their way, as strictly as they do; nothing of them is copied.
"""

import json
import re
from datetime import UTC, datetime
from typing import Any
from urllib.request import ProxyHandler, Request, build_opener

import httpx
import pytest

from broker.lifecycle.clock import ManualClock
from lantime.simulator.device import API_VERSIONS
from lantime.simulator.server import Simulator

APIS = sorted(API_VERSIONS)


def python_exporter(url: str) -> dict[str, Any]:
    """Compute the metrics of the Python exporter: what it does not find counts as empty, what it finds must fit."""
    with build_opener(ProxyHandler({})).open(Request(f"{url}/api/")) as page:  # noqa: S310 the simulator's own address
        answer = json.loads(page.read().decode())
    said, status = answer["system-information"], answer["data"]["status"]
    system = status["system"]
    load, memory = system["cpuload"].split(" "), system["memory"].split(" ")
    clock = next(slot.get("module", {}) for slot in status["chassis0"]["slots"] if slot["slot-type"] == "clk")
    sync, satellites = clock.get("sync-status", {}), clock.get("satellites", {})
    listed = [each["gnss-type"] for each in satellites.get("gnss", {}).get("satellite-list", [])]
    return {
        "version": said["version"],
        "serial_number": said["serial-number"],
        "model": said["model"],
        "hostname": said["hostname"],
        "position": system["position"],
        "firmware": system["firmware"]["running"],
        "cpu_load": [float(each) for each in load[:3]],
        "memory_kilobytes": (float(memory[0]), float(memory[4])),
        "uptime_seconds": float(system["uptime"]),
        "last_config_change": float(system["last-config-change"]),
        "est_time_quality": sync.get("est-time-quality", ""),
        "clock_status": sync.get("clock-status", {}).get("clock", ""),
        "osc_status": sync.get("clock-status", {}).get("oscillator", ""),
        "receiver_status": clock.get("gns", {}).get("receiver-status", ""),
        "satellites": (satellites.get("satellites-in-view", 0), satellites.get("good-satellites", 0)),
        "in_use": (listed.count("gps"), listed.count("galileo")),
    }


def seconds(time: str) -> float:
    """Read a time as the Go exporter does: this one format, or "never"."""
    return 0.0 if time == "never" else datetime.strptime(time, "%Y-%m-%dT%H:%M:%S").replace(tzinfo=UTC).timestamp()


def serial(value: str) -> str:
    """Read a serial number as the Go exporter does: without blanks, and empty when it says that it is not known."""
    return "" if value.strip().lower() in {"", "unknown", "n/a", "na", "none"} else value.strip()


def quality(value: str) -> float:
    """Read an estimated time quality as the Go exporter does; 0.0 when it is no bound."""
    found = re.fullmatch(r"less-than-([0-9.]+)(ns|us|ms|s)", value)
    return float(found[1]) * {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0}[found[2]] if found else 0.0


def amount(pattern: str, text: str) -> float:
    """Return the number in a text; the Go exporter gives up when there is none."""
    found = re.search(pattern, text)
    assert found is not None, text
    return float(found[1])


def go_exporter(url: str) -> dict[str, Any]:
    """Compute the metrics of the Go exporter, which takes no other type for a field than it expects."""
    answer = httpx.get(f"{url}/api/status", auth=("info", "info"), trust_env=False).raise_for_status().json()
    said, data = answer["system-information"], answer["data"]
    host, system = said["hostname"], data["system"]
    metrics: dict[str, Any] = {
        f"build_info{{{data['rest-api']['api-version']},{said['version']},{host}}}": 1,
        f"system_info{{{said['model']},{serial(said['serial-number'])}}}": 1,
        "system_uptime_seconds": float(system["uptime"]),
        "system_memory_bytes": amount(r"(\d+)\s+kB\s+total", system["memory"]) * 1024,
        "system_memory_free_bytes": amount(r"(\d+)\s+kB\s+free", system["memory"]) * 1024,
    }
    metrics |= {
        f"system_cpu_load_avg{{{period}}}": float(load)
        for period, load in zip((1, 5, 15), system["cpuload"].split(), strict=False)
    }
    for mount in system["storage"]:
        metrics[f"storage_total_bytes{{{mount['mountpoint']}}}"] = mount["size"] * 1024
        metrics[f"storage_used_bytes{{{mount['mountpoint']}}}"] = mount["used"] * 1024
    for event in data["notification"]["events"]:
        metrics[f"notification{{{event['object-id']},{event['type']}}}"] = seconds(event["last-triggered"])
    for port in data["network"]["ports"]:
        name = port["object-id"]
        metrics[f"network_port_up{{{name}}}"] = float(port["link"] is True)
        if port["link"] and port.get("statistics"):
            metrics |= {
                f"network_port_{way}_{what}{{{name}}}": port["statistics"][f"{way}-{what}"]
                for way in ("rx", "tx")
                for what in ("bytes", "packets", "errors", "dropped")
            }
        if port["link"]:
            texts = [port[key] for key in ("speed", "duplex", "mac-address", "card-name")]
            assert all(isinstance(each, str) for each in texts)
            metrics[f"network_port_info{{{name},{','.join(texts)}}}"] = 1
    for each in data["ntp"]:
        metrics |= ntp_metrics(each)
    for slot in data["chassis0"]["slots"]:
        metrics |= slot_metrics(slot)
    return metrics


def ntp_metrics(each: dict[str, Any]) -> dict[str, Any]:
    """Compute the metrics of an NTP association: the device's own one, or a peer."""
    leap = int(each["leap"])
    assert 0 <= leap <= 3
    since = datetime.strptime(each.get("leapsec", "197001010000"), "%Y%m%d%H%M").replace(tzinfo=UTC).timestamp()
    if each["association-id"] == 0:
        return {
            f"ntp_sys_stratum{{{each['refid']}}}": each["stratum"],
            "ntp_sys_precision_seconds": 2.0 ** each["precision"],
            "ntp_sys_root_delay_seconds": each["rootdelay"],
            "ntp_sys_root_dispersion_seconds": each["rootdisp"],
            "ntp_sys_clock_jitter_seconds": each["clk-jitter"],
            "ntp_sys_clock_wander": each["clk-wander"],
            "ntp_sys_leap_indicator": leap,
            "ntp_sys_leap_second": since,
        }
    label = f"{{{each['refid']},{each['object-id']},{each['id']}}}"
    peer = {f"ntp_peer_{what}_seconds{label}": each[what] for what in ("offset", "delay", "dispersion")}
    return peer | {f"ntp_peer_synchronized{label}": float(leap != 3), "ntp_peer_reach": each["reach"]}


def slot_metrics(slot: dict[str, Any]) -> dict[str, Any]:
    """Compute the metrics of a CPU or a clock."""
    module, name = slot.get("module"), slot["slot-id"]
    if module is None or slot["slot-type"] not in {"cpu", "clk"}:
        return {}
    info = module["info"]
    if slot["slot-type"] == "cpu":
        return {f"system_cpu_info{{{info['model']},{serial(info['serial-number'])}}}": 1}
    sync = module["sync-status"]
    texts = (info["model"], serial(info["serial-number"]), info["software-revision"], sync["osc-type"])
    metrics: dict[str, Any] = {
        f"clock_info{{{name},{','.join(texts)}}}": 1,
        f"clock_synchronized{{{name}}}": float(sync["clock-status"]["clock"] == "synchronized"),
        f"clock_oscillator_warmed_up{{{name}}}": float(sync["clock-status"]["oscillator"] == "warmed-up"),
        f"clock_time_quality_seconds{{{name}}}": quality(sync["est-time-quality"]),
    }
    if "grc" in module:
        flags = module["grc"]["antenna"] | module["grc"]["receiver"]
        metrics |= {f"clock_gnss_{flag}{{{name}}}": float(value) for flag, value in flags.items()}
        satellites = module["satellites"]
        metrics |= {
            f"clock_gnss_{key}{{{name}}}": float(satellites[key])
            for key in ("good-satellites", "satellites-in-view", "latitude", "longitude", "altitude")
        }
    if "dcf77" in module:
        metrics |= {f"clock_dcf77_{key}": float(module["dcf77"][key]) for key in ("correlation", "field-strength")}
    return metrics


@pytest.mark.parametrize("api", APIS)
def test_python_exporter(api: int) -> None:
    """The Python exporter gets every metric from a chassis with a TCR; what is GNSS is empty, as it must be."""
    with Simulator(api=api, anonymous_read=True, clock=ManualClock()) as sim:
        metrics = python_exporter(sim.url)
    assert metrics == {
        "version": f"fw_{sim.device.firmware}",
        "serial_number": "030111009001",
        "model": "M1000",
        "hostname": "m1000.time.example.com",
        "position": "47.000000, 8.000000",
        "firmware": f"fw_{sim.device.firmware}",
        "cpu_load": [0.48, 0.66, 0.57],
        "memory_kilobytes": (228_428.0, 161_732.0),
        "uptime_seconds": 0.0,
        "last_config_change": 0.0,
        "est_time_quality": "less-than-10us",
        "clock_status": "synchronized",
        "osc_status": "warmed-up",
        "receiver_status": "",
        "satellites": (0, 0),
        "in_use": (0, 0),
    }


def test_python_exporter_sees_a_gns_and_what_happens() -> None:
    """With a GNS in the first slot its satellites are counted; a lost signal is seen at a TCR."""
    clock = ManualClock()
    with Simulator(anonymous_read=True, clock=clock) as sim:
        sim.lose_signal("clk1")
        clock.advance(60)
        lost = python_exporter(sim.url)
        sim.pull("clk1")
        sim.plug("clk1", model="gns181")
        gns = python_exporter(sim.url)
    assert (lost["clock_status"], lost["est_time_quality"]) == ("holdover", "less-than-25us")
    assert (gns["receiver_status"], gns["satellites"], gns["in_use"]) == ("synchronized", (14, 9), (4, 3))


@pytest.mark.parametrize("api", APIS)
def test_go_exporter(api: int) -> None:
    """The Go exporter gets every metric that it computes for a clock without satellites, in every version."""
    clock = ManualClock(1_700_000_000_000_000)
    with Simulator(api=api, clock=clock) as sim:
        clock.advance(100)
        metrics = go_exporter(sim.url)
    expected = {
        f"build_info{{{API_VERSIONS[api]},fw_{sim.device.firmware},m1000.time.example.com}}": 1,
        "system_info{M1000,030111009001}": 1,
        "system_cpu_info{c15g2,}": 1,
        "system_uptime_seconds": 100.0,
        "system_memory_bytes": 228_428 * 1024,
        "system_memory_free_bytes": 161_732 * 1024,
        "system_cpu_load_avg{15}": 0.57,
        "storage_total_bytes{/}": 109_932 * 1024,
        "storage_used_bytes{/mnt/flash}": 323_560 * 1024,
        "notification{refclock-1-sync,info}": 1_700_000_000.0,
        "notification{refclock-1-not-sync,error}": 0.0,
        "network_port_up{lan0}": 1.0,
        "network_port_up{lan1}": 0.0,
        "network_port_info{lan0,1000,full,00:13:95:00:00:00,c15g2}": 1,
        "clock_info{clk1,tcr180,068111020467,v1.21,ocxo-sq}": 1,
        "clock_synchronized{clk1}": 1.0,
        "clock_oscillator_warmed_up{clk1}": 1.0,
        "clock_time_quality_seconds{clk1}": 1e-05,
        "ntp_sys_stratum{IRIG}": 1,
        "ntp_sys_precision_seconds": 3.814697265625e-06,
        "ntp_sys_leap_indicator": 0,
        "ntp_sys_leap_second": 1_483_228_800.0,
        "ntp_peer_offset_seconds{IRIG,ref_1,127.127.8.0}": -4e-06,
        "ntp_peer_synchronized{IRIG,ref_1,127.127.8.0}": 1.0,
    }
    assert {name: metrics.get(name) for name in expected} == pytest.approx(expected)
    counted = {f"network_port_{way}_{what}{{lan0}}" for way in ("rx", "tx") for what in ("bytes", "packets")}
    # Counters of ports came with the newer version.
    assert {name for name in counted if metrics.get(name)} == (counted if api >= 17 else set())


def test_go_exporter_sees_what_happens() -> None:
    """A cold start is seen at clock, oscillator, quality and NTP, and its event has a time."""
    clock = ManualClock(1_700_000_000_000_000)
    with Simulator(clock=clock) as sim:
        clock.advance(5)
        sim.perform("set-scenario", {"slot": "clk1", "scenario": "cold-start"})
        metrics = go_exporter(sim.url)
    names = ("clock_synchronized{clk1}", "clock_oscillator_warmed_up{clk1}", "clock_time_quality_seconds{clk1}")
    assert [metrics[name] for name in names] == [0.0, 0.0, 0.0]
    assert (metrics["ntp_sys_stratum{IRIG}"], metrics["ntp_sys_leap_indicator"]) == (16, 3)
    assert metrics["notification{oscillator-not-adjusted,warning}"] == 1_700_000_005.0


@pytest.mark.parametrize(
    ("model", "name", "value"),
    [
        ("grc180", "clock_gnss_connected{clk2}", 1.0),
        ("grc180", "clock_gnss_satellites-in-view{clk2}", 14.0),
        ("grc180", "clock_gnss_cold-boot{clk2}", 0.0),
        ("pzf511", "clock_dcf77_correlation", 56.0),
    ],
)
def test_go_exporter_sees_other_clocks(model: str, name: str, value: float) -> None:
    """The receivers that the Go exporter knows are read from the modules that were captured."""
    with Simulator() as sim:
        sim.plug("clk2", model=model)
        assert go_exporter(sim.url)[name] == value


def test_not_read_without_a_login() -> None:
    """The Python exporter is refused where reading needs a login, as it is at first."""
    with Simulator() as sim:
        assert httpx.get(f"{sim.url}/api/", trust_env=False).status_code == 401
