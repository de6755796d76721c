"""The stores that `speech-tracker up` runs itself: real Kafka, Postgres, S3, all on loopback."""
