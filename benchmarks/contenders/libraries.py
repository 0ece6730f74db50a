"""A process that imported what a child imports of others and opened one connection to each server: nothing of interapp."""

import importlib
import sys
import threading
from contextlib import suppress
from pathlib import Path

import pika
import psycopg

if __name__ == "__main__":
    amqp_url, database_url, file = sys.argv[1:]
    for module in Path(file).read_text(encoding="utf-8").split():
        # What only its own package may import, or was never a module, is no library's memory.
        with suppress(ImportError):
            importlib.import_module(module)
    connection = pika.BlockingConnection(pika.URLParameters(amqp_url))
    channel = connection.channel()
    database = psycopg.connect(database_url)
    database.execute("SELECT 1")
    print("ready", flush=True)
    threading.Event().wait()
