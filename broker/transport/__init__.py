"""How envelopes travel: the seam, and what stands behind it (``memory``, ``rabbitmq``)."""
