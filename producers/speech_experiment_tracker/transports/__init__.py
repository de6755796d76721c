"""Ways from the drain to the log: the HTTP gateway, and Kafka itself."""
