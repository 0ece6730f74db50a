"""The header ``traceparent`` of W3C Trace Context, level 1."""

import os
import re

TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-([0-9a-f]{2})(-.*)?")


def child_of(traceparent: str) -> str | None:
    """Return the traceparent of a new span in the same trace, with its flags; None when the given one is none."""
    found = TRACEPARENT.fullmatch(traceparent)
    if found is None or (found[3] is not None and traceparent.startswith("00-")):
        return None
    span = os.urandom(8)
    while not any(span):
        span = os.urandom(8)
    return f"00-{found[1]}-{span.hex()}-{found[2]}"
