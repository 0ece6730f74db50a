"""Middleware: named hooks around a message, and what is built on them."""
