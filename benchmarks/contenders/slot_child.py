"""``interapp child``, which also writes the names of the modules that it imported into a file when it ends."""

import atexit
import sys
from pathlib import Path

from broker.cli.main import main

OWN = frozenset({"broker", "lantime", "modular_parent", "tcr_child", "benchmarks", "__main__", "__mp_main__"})


def write_modules(file: Path) -> None:
    """Write the names of all modules but our own."""
    file.write_text("\n".join(name for name in sys.modules if name.split(".")[0] not in OWN), encoding="utf-8")


if __name__ == "__main__":
    atexit.register(write_modules, Path(sys.argv[1]))
    sys.argv[1:] = ["child"]
    main()
