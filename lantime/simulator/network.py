"""Network, services and NTP of the simulated device, in the shapes captured on API 10 and 20; values are synthetic."""

from typing import Any

from lantime.simulator.device import Device

_COUNTERS = (
    *("rx-packets", "rx-bytes", "rx-dropped", "rx-compressed", "rx-nohandler", "rx-errors", "rx-crc-errors"),
    *("rx-fifo-errors", "rx-frame-errors", "rx-length-errors", "rx-missed-errors", "rx-over-errors", "tx-packets"),
    *("tx-bytes", "tx-dropped", "tx-compressed", "tx-errors", "tx-aborted-errors", "tx-carrier-errors"),
    *(
        "tx-fifo-errors",
        "tx-heartbeat-errors",
        "tx-window-errors",
        "multicast",
        "collisions",
        "gro-flush-timeout",
        "mtu",
    ),
)
_PER_SECOND = {"rx-packets": 6, "rx-bytes": 420, "tx-packets": 2, "tx-bytes": 836}
"""What a port carries (invented): the counters grow with the uptime."""

_SERVICES = ("daytime", "ftp", "telnet", "time", "webshell", "ssh", "ntp", "http", "https", "snmp")
_RUNNING = frozenset({"ssh", "ntp", "http", "https", "filemon", "serial_console", "syslog", "linkmonitor", "netconfig"})
_GLOBAL = ("filemon", "ldap", "noise", "serial_console", "softwatch", "syslog", "syncteam", "linkmonitor", "lldp")
_NEWER_SERVICES = ("mms", "ptp")
_NEWER_GLOBAL = ("clidaemon", "sendmail", "autoupdate", "syncmon", "bird")

_NO_CLUSTER = {
    "enabled": False,
    "timestamp": "",
    "cluster-ip": "",
    "communication-ip": "",
    "port-state": "",
    "master-serial": "",
    "master-ip": "",
    "master-priority": 0,
    "clock-class": "",
    "clock-status": "",
    "ntp-status": "unknown",
    "reconfig-state": "currently-none",
}


def network(device: Device) -> dict[str, Any]:
    """Return ``network``: one port that is up and one that is down, each with its interface."""
    interfaces: list[dict[str, Any]] = [
        {
            "object-id": "vif0",
            "ifname": "lan0:0",
            "addresses": [
                {
                    "object-id": "ipv4-static",
                    "iftype": "static",
                    "addresstype": "ipv4",
                    "subnet": "255.255.255.0",
                    "address": "192.0.2.10",
                }
            ],
        },
        {"object-id": "vif1", "ifname": "lan1:1"},
    ]
    if device.since_17:
        for interface in interfaces:
            interface["cluster"] = {"ipv4": _NO_CLUSTER, "ipv6": _NO_CLUSTER}
    return {"ports": [_port(device, 0, up=True), _port(device, 1, up=False)], "interfaces": interfaces}


def services(device: Device) -> dict[str, Any]:
    """Return ``services``: which run."""
    networked = [*_SERVICES, *(_NEWER_SERVICES if device.since_17 else ("mbgdevman",))]
    everywhere = [*_GLOBAL, *(_NEWER_GLOBAL if device.since_17 else ())]
    return {
        "network": {name: {"running": name in _RUNNING} for name in networked},
        "global": {name: {"running": name in _RUNNING} for name in everywhere},
    }


def ntp(device: Device) -> list[dict[str, Any]]:
    """Return ``ntp``: the device's own NTP and its refclock. For a TCR the refid is inferred."""
    reference = device.reference()
    synchronized = "ntp-sync" in device.active
    family = reference.card.family if reference and reference.card else None
    refid = {"tcr": "IRIG", "gns": "GNSS", "gps": "GPS", "pzf": "PZF"}.get(family or "", "INIT")
    # Version 10 answers a string here, 20 a number (captured).
    leap: int | str = 0 if synchronized else 3
    own: dict[str, Any] = {
        "object-id": "sys",
        "association-id": 0,
        "id": "127.0.0.1",
        "name": "localhost",
        "status": "0415" if synchronized else "c016",
        "status-sys-leap-indicator": "none" if synchronized else "alarm",
        "status-sys-clock-source": "irig" if refid == "IRIG" else "uhf-radio",
        "status-sys-event-counter": 1,
        "status-sys-event-code": "clock-sync" if synchronized else "no-system-peer",
        "leap": leap if device.since_17 else str(leap),
        "stratum": 1 if synchronized else 16,
        "precision": -18,
        "rootdelay": 0.0,
        "rootdisp": 0.000124,
        "refid": refid,
        "tai": 37,
        "leapsec": "201701010000",
        "clk-jitter": 4e-06,
        "clk-wander": 0.0,
        "expire": "202612280000",
    }
    refclock: dict[str, Any] = {
        "object-id": "ref_1",
        "association-id": 12980,
        "id": "127.127.8.0",
        "name": "127.127.8.0",
        "status": "97fb" if synchronized else "8011",
        "status-peer-configured": True,
        "status-peer-auth-enabled": False,
        "status-peer-auth-ok": False,
        "status-peer-reach-ok": synchronized,
        "status-peer-broadcast": False,
        "status-peer-selection": "pps-peer" if synchronized else "reject",
        "status-peer-event-counter": 15,
        "status-peer-event-code": "clock-event",
        "leap": leap if device.since_17 else str(leap),
        "stratum": 0,
        "precision": -18,
        "rootdelay": 0.0,
        "rootdisp": 0.0,
        "refid": refid,
        "offset": -4e-06 if synchronized else 0.0,
        "delay": 0.0,
        "dispersion": 0.00012,
        "reach": 255 if synchronized else 0,
    }
    if device.since_17:
        refclock["poll-status"] = "11111111 [377]" if synchronized else "00000000 [0]"
    return [own, refclock]


def _port(device: Device, number: int, *, up: bool) -> dict[str, Any]:
    address = f"00:13:95:00:00:0{number}"
    port: dict[str, Any] = {
        "object-id": f"lan{number}",
        "duplex": "full" if up else "-",
        "operstate": up,
        "speed": "1000" if up else "-",
        "mac-address": address,
        "link": up,
        "slot-id": 7,
        "slot-name": "cpu",
        "port-id": number,
        "card-name": "c15g2",
    }
    if not device.since_17:
        return port
    seconds = int(device.uptime_seconds) if up else 0
    return port | {
        "port-available": True,
        "statistics": {name: _PER_SECOND.get(name, 0) * seconds for name in _COUNTERS},
        "bonding-slave": {
            "ad-actor-oper-port-state": "N/A",
            "ad-aggregator-id": "N/A",
            "ad-partner-oper-port-state": "N/A",
            "link-failure-count": "-" if up else "",
            "mii-status": up,
            "perm-hwaddr": address,
            "queue-id": "-",
            "state": "standalone",
        },
    }
