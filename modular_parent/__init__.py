"""The chassis service: polls one LANTIME chassis, keeps its inventory, and tells the slots' services what they serve."""
