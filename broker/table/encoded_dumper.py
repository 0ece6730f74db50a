"""How encoded values get through PostgreSQL's driver. Apart from those: who has SQLite need not import that driver."""

from psycopg.abc import AdaptContext, PyFormat
from psycopg.adapt import Dumper
from psycopg.pq import Format

from broker.table.encoded import Encoded


class EncodedDumper(Dumper):
    """Hands an encoded value to the driver as it is. One for each type, since its type is what the server goes by."""

    format = Format.BINARY

    def dump(self, obj: Encoded) -> bytes:
        """Return its bytes."""
        return obj.data

    def get_key(self, obj: Encoded, format: PyFormat) -> tuple[type, int]:  # type: ignore[override] # noqa: A002, ARG002 the driver's own names
        """Return what tells values of different types apart."""
        return self.cls, obj.oid

    def upgrade(self, obj: Encoded, format: PyFormat) -> "EncodedDumper":  # noqa: A002, ARG002 as above
        """Return the dumper of this type."""
        dumper = EncodedDumper(self.cls)
        dumper.oid = obj.oid
        return dumper


def register(context: AdaptContext) -> None:
    """Let a connection take encoded values as parameters."""
    context.adapters.register_dumper(Encoded, EncodedDumper)
