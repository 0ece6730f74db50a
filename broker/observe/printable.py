"""Text from anywhere, made harmless for a terminal and for a log file."""

import re

CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
URL_PASSWORD = re.compile(r"(://[^/\s:@]*):[^\s/]*@")


def printable(text: str) -> str:
    """Return the text on one line, with control characters as Python escapes them."""
    return CONTROL.sub(lambda found: repr(found[0])[1:-1], text) if CONTROL.search(text) else text


def without_passwords(text: str) -> str:
    """Return the text with the password of every URL in it replaced by ``***``."""
    return URL_PASSWORD.sub(r"\1:***@", text) if "://" in text else text
