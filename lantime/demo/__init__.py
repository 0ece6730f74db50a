"""``interapp demo``: the services against a simulated chassis, and a story that shows what they do."""
