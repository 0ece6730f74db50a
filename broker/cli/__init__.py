"""``interapp``: thin commands over the rooms below."""
