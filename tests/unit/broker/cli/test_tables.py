"""Tables as plain text and as rich draws them."""

from io import StringIO

from rich.console import Console

from broker.cli.drawing import draw, fitting
from broker.cli.plain import Cell, PlainTable

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


def test_narrow_terminals_lose_columns_not_ids() -> None:
    """Where there is no room, columns that can be spared go; what identifies a row stays."""
    rows = [[Cell("01234567"), Cell("chassis.get-inventory"), Cell("1/3"), Cell(LONG)]]
    assert fitting(TITLES, rows, 120) == [0, 1, 2, 3]
    assert fitting(TITLES, rows, 50) == [0, 1, 3]
