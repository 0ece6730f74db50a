"""RabbitMQ, PostgreSQL and `interapp` itself as real processes that tests own."""
