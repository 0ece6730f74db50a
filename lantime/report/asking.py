"""Asks a device for what its report is made of."""

from pydantic import JsonValue

from broker.errors import NotFound
from lantime.answer import DeviceAnswer
from lantime.client import LantimeClient
from lantime.errors import DeviceError
from lantime.report.report import Place, build_report, clock_places


def ask(device: LantimeClient, slots: frozenset[str], *, interapp: str) -> dict[str, JsonValue]:
    """Return the report of a device, of these slots or of all. ``interapp`` is the version that asks.

    A configuration that does not come is noted in the report: its path is inferred. Raises NotFound for a slot that the
    device does not have, and what ``LantimeClient.status`` raises.
    """
    answer = device.status()
    chassis = answer.chassis()
    known = [slot.slot_id for each in chassis for slot in each.slots]
    for slot in sorted(slots - set(known)):
        raise NotFound(f"the device has no slot {slot!r}; it has {', '.join(known) or 'none'}")
    places = [place for place in clock_places(chassis) if not slots or place.slot in slots]
    configurations = {place: _configuration(device, place) for place in places}
    return build_report(answer, chassis, configurations, interapp=interapp, slots=slots)


def _configuration(device: LantimeClient, place: Place) -> DeviceAnswer | DeviceError:
    try:
        return device.read(place.configuration)
    except DeviceError as exc:
        return exc
