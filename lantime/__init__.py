"""The device: LTOS REST client, typed status, simulator, and what parent and child say to each other."""
