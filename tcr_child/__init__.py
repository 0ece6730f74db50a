"""The slot service: the handlers of one time code receiver (TCR) slot."""
