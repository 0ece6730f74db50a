"""Tables as plain text and as rich draws them."""

from io import StringIO

import pytest
from rich.console import Console

from broker.cli.drawing import draw, fitting
from broker.cli.plain import Cell, PlainTable
from lantime.alarms.listing import ACTIVE_TITLES
from modular_parent.chassis_listing import TITLES as CHASSIS_TITLES

TITLES = ("ID", "KIND", "TRIES", "NOTE")
LONG = "x" * 300


def drawn(rows: list[list[Cell]], width: int) -> str:
    """Return the rows as a terminal of that width shows them."""
    out = StringIO()
    Console(file=out, width=width, force_terminal=True).print(draw(TITLES, rows, width=width))
    return out.getvalue()


def test_plain_is_aligned_and_whole() -> None:
    """Plain text has its columns aligned, no colours, and cuts nothing."""
    text = PlainTable(TITLES).draw(
        [[Cell("1", "bold"), Cell("t.ping"), Cell("1/3"), Cell(LONG)], [*map(Cell, ("22", "t", "", ""))]]
    )
    assert text == f"ID  KIND    TRIES  NOTE\n1   t.ping  1/3    {LONG}\n22  t\n"


def test_plain_in_parts() -> None:
    """A listing drawn in parts has its titles once."""
    table = PlainTable(("ID", "KIND"))
    assert table.draw([[Cell("1"), Cell("t.ping")]]) == "ID  KIND\n1   t.ping\n"
    assert table.draw([[Cell("2"), Cell("t.pong")]]) == "2   t.pong\n"


def test_control_characters_stay_harmless() -> None:
    """What a message says can neither break a line nor steer the terminal, drawn or plain."""
    row = [Cell("1"), Cell("t.ping"), Cell(""), Cell("a\nb\x1b[2J\x07[red]c")]
    plain = PlainTable(TITLES).draw([row])
    assert plain.splitlines()[1].endswith(r"a\nb\x1b[2J\x07[red]c")
    shown = drawn([row], 100)
    assert r"a\nb\x1b[2J\x07[red]c" in shown
    assert "\x1b[2J" not in shown


def test_drawn_fits_the_terminal() -> None:
    """A row takes one line, however long its texts and narrow the terminal."""
    for width in (40, 80, 200):
        lines = drawn([[Cell("01234567"), Cell("t.ping"), Cell("1/3"), Cell(LONG)]], width).splitlines()
        assert len(lines) == 2
        assert "…" in lines[1]


@pytest.mark.parametrize("width", [80, 100])
def test_a_chassis_keeps_its_name_on_a_narrow_terminal(width: int) -> None:
    """The listings of chassis and alarms give up columns before names, states and times are cut."""
    texts = {"CHASSIS": "m3000-a", "MODEL": "M3000", "CLOCK": "not-synchronized", "REFERENCE": "clk1-tcr"}
    texts |= {"SERIAL": "030111009003", "FIRMWARE": "fw_7.10.008", "API": "20.05.013", "QUALITY": "< 10 us"}
    texts |= {"HOSTNAME": "m3000.time.example.com", "WEB": "https://m3000.time.example.com", "LEDS": "green"}
    row = [Cell(texts.get(title, "-")) for title in CHASSIS_TITLES]
    kept = fitting(CHASSIS_TITLES, [row], width)
    assert {"CHASSIS", "MODEL", "REFERENCE", "CLOCK", "LAST POLL", "PROBLEM"} <= {CHASSIS_TITLES[each] for each in kept}
    assert sum(max(len(CHASSIS_TITLES[each]), len(row[each].text)) + 2 for each in kept) - 2 <= width


def test_an_alarm_keeps_its_text_on_a_narrow_terminal() -> None:
    """Where an alarm's text would be cut to nothing, since when and how long go first."""
    texts = {"APP": "m1000-a.clk1", "SLOT": "clk1", "ALARM": "lower-priority-source", "SEVERITY": "warning"}
    texts |= {"SINCE": "2026-11-26 19:58:17", "DURATION": "4.1 s", "TEXT": LONG}
    kept = fitting(ACTIVE_TITLES, [[Cell(texts.get(title, "")) for title in ACTIVE_TITLES]], 80)
    assert [ACTIVE_TITLES[each] for each in kept] == ["APP", "SLOT", "ALARM", "SEVERITY", "TEXT", "NOTE"]


def test_narrow_terminals_lose_columns_not_ids() -> None:
    """Where there is no room, columns that can be spared go; what identifies a row stays."""
    rows = [[Cell("01234567"), Cell("chassis.get-inventory"), Cell("1/3"), Cell(LONG)]]
    assert fitting(TITLES, rows, 120) == [0, 1, 2, 3]
    assert fitting(TITLES, rows, 50) == [0, 1, 3]
