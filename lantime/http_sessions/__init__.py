"""The HTTP communication of each app with its device: recorded in memory, kept in documents, listed and counted."""
