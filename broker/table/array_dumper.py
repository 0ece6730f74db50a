"""How encoded arrays get through PostgreSQL's driver. Apart from the arrays: who has SQLite need not import that driver."""

from psycopg.abc import AdaptContext, PyFormat
from psycopg.adapt import Dumper
from psycopg.pq import Format

from broker.table.arrays import Array


class ArrayDumper(Dumper):
    """Hands an encoded array to the driver as it is. One for each type of array, since its type is what the server goes by."""

    format = Format.BINARY

    def dump(self, obj: Array) -> bytes:
        """Return the array's bytes."""
        return obj.data

    def get_key(self, obj: Array, format: PyFormat) -> tuple[type, int]:  # type: ignore[override] # noqa: A002, ARG002 the driver's own names
        """Return what tells arrays of different types apart."""
        return self.cls, obj.oid

    def upgrade(self, obj: Array, format: PyFormat) -> "ArrayDumper":  # noqa: A002, ARG002 as above
        """Return the dumper of this type of array."""
        dumper = ArrayDumper(self.cls)
        dumper.oid = obj.oid
        return dumper


def register(context: AdaptContext) -> None:
    """Let a connection take arrays as parameters."""
    context.adapters.register_dumper(Array, ArrayDumper)
