"""The handler table: one durable row per message and destination, leases, subscriptions and documents. The truth."""
