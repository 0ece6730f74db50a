"""Watches the door contact of a rack: an example of a package that extends interapp."""
