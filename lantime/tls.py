"""Whose certificates are trusted when a device is talked to."""

import ssl
from pathlib import Path

from broker.errors import SettingError


def tls_context(*, verify: bool | str | Path) -> ssl.SSLContext:
    """Return the TLS settings for ``verify``. Raises SettingError when its file cannot be used."""
    if verify is False:
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context
    if verify is True:
        # The system's store, not certifi's: a company's own authority is never in the latter.
        return ssl.create_default_context()
    try:
        context = ssl.create_default_context(cafile=str(verify))
    except (OSError, ssl.SSLError) as exc:
        raise SettingError("LANTIME_CA_FILE", str(verify), f"a readable PEM file with certificates ({exc})") from exc
    # A device's own certificate may be trusted as it is, and such certificates seldom have every extension that
    # strict checking (the default since Python 3.13) asks for.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context
