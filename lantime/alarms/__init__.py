"""Alarms: which there are, when they are raised and cleared, and how they are kept and told. Shared by both services."""
