"""RabbitMQ behind the seam: the only place that imports pika."""
