"""Metrics as Prometheus reads them."""

from broker.observe.metrics import BUCKETS, Metrics


def test_runs_are_counted_in_buckets() -> None:
    """Each run counts in every bucket that it fits, in the sum and in the count of its app, kind and state."""
    metrics = Metrics()
    for seconds in (0.0005, 0.001, 0.3, 1000.0):
        metrics.handled("a", "t.do", "succeeded", seconds)
    metrics.handled("a", "t.do", "failed", 0.02)
    lines = metrics.text().splitlines()
    labels = 'app="a",kind="t.do",state="succeeded"'
    for bound, count in zip((*BUCKETS, "+Inf"), (2, 2, 2, 2, 3, 3, 3, 3, 4), strict=True):
        assert f'interapp_handler_seconds_bucket{{{labels},le="{bound}"}} {count}' in lines
    assert f"interapp_handler_seconds_count{{{labels}}} 4" in lines
    assert f"interapp_handler_seconds_sum{{{labels}}} 1000.3015" in lines
    assert 'interapp_handler_seconds_count{app="a",kind="t.do",state="failed"} 1' in lines


def test_nothing_yet() -> None:
    """Before the first run the text says what there will be, and ends its last line."""
    assert Metrics().text().startswith("# HELP interapp_handler_seconds ")
    assert Metrics().text().endswith("# TYPE interapp_handler_seconds histogram\n")


def test_labels_are_escaped() -> None:
    """Quotes, backslashes and newlines in a label break no line."""
    metrics = Metrics()
    metrics.handled('a"b\\c\nd', "t.do", "failed", 1.0)
    assert r'app="a\"b\\c\nd"' in metrics.text()
    assert len(metrics.text().splitlines()) == 2 + len(BUCKETS) + 3
