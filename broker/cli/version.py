"""Which interapp is installed."""

import os
import sys

PREFIX = "lantime_interapp-"
SUFFIX = ".dist-info"


def installed_version() -> str:
    """Return the version of the installed distribution, e.g. ``0.1.0``."""
    # Installers write it into a folder's name. Importing importlib.metadata takes longer than all of --version may.
    for folder in sys.path:
        try:
            names = os.listdir(folder or ".")  # noqa: PTH208 pathlib is slow to import too
        except OSError:
            continue
        for name in names:
            if name.startswith(PREFIX) and name.endswith(SUFFIX):
                return name[len(PREFIX) : -len(SUFFIX)]
    from importlib.metadata import version  # noqa: PLC0415 as above

    return version("lantime-interapp")
