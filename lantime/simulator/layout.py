"""Which bays and cards the simulated models have.

Slot ids of power supplies, clocks and CPU are captured; the other ids follow the SDK's slot types; which bay holds
what is invented (no capture of an IMS chassis exists). All serial numbers are synthetic.
"""

from broker.lifecycle.clock import Clock
from lantime.simulator.bay import Bay, Card
from lantime.simulator.device import FIRMWARE, Device

MODELS = ("M1000", "M3000")

_M1000 = (
    ("pwr1", "psu"),
    ("pwr2", None),
    ("clk1", "tcr180"),
    ("clk2", None),
    ("cpu", "c15g2"),
    ("mri1", "mri"),
    ("esi1", None),
    ("io1", "cpe180"),
    ("io2", "bpe"),
    ("io3", "lno180"),
    ("io4", "hps100"),
)

_M3000 = (
    ("pwr1", "psu"),
    ("pwr2", "psu"),
    ("pwr3", None),
    ("pwr4", None),
    ("clk1", "tcr180"),
    ("clk2", "tcr180"),
    ("scu1", "rsc180"),
    ("cpu", "c15g2"),
    ("mri1", "mri"),
    ("mri2", "mri"),
    ("esi1", None),
    ("io1", "cpe180"),
    ("io2", "bpe"),
    ("io3", "lno180"),
    ("io4", "hps100"),
    ("io5", None),
    ("io6", None),
)

_SERIALS = {"clk1": "068111020467", "clk2": "068111020512"}
_SOFTWARE = {"tcr180": "v1.21", "rsc180": "v1.04", "psu": "", "c15g2": ""}


def build(model: str, api: int, clock: Clock) -> Device:
    """Return a fresh device of a model. Raises ValueError when model or API major is none of the known ones."""
    if model not in MODELS:
        raise ValueError(f"model={model!r} is not allowed: one of {', '.join(MODELS)}")
    if api not in FIRMWARE:
        raise ValueError(f"api={api!r} is not allowed: one of {', '.join(map(str, FIRMWARE))}")
    fitted = _M1000 if model == "M1000" else _M3000
    bays = {
        slot_id: Bay(
            slot_id=slot_id,
            slot_type=slot_id.rstrip("0123456789"),
            position=f"0,{column},1",
            card=_card(slot_id, name, column, api) if name else None,
        )
        for column, (slot_id, name) in enumerate(fitted)
    }
    return Device(
        model=model,
        api=api,
        serial="030111009001" if model == "M1000" else "030111009003",
        hostname=f"{model.lower()}.time.example.com",
        layout="1,12" if model == "M1000" else "1,18",
        bays=bays,
        clock=clock,
    )


def _card(slot_id: str, model: str, column: int, api: int) -> Card:
    if model == "psu":
        return Card(model=model, serial="")
    if model == "c15g2":
        return Card(model=model, serial="N/A", software=FIRMWARE[api])
    serial = _SERIALS.get(slot_id, f"0{40 + column}1110{20100 + column:05d}")
    return Card(model=model, serial=serial, software=_SOFTWARE.get(model, "v1.00"))
