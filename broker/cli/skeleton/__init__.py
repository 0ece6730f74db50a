"""The files of a new package, as ``interapp new handler`` writes them: templates with ``$name``."""
