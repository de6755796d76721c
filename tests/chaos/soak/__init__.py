"""Hours of steady, moderate load on one stack: memory, descriptors and threads stay flat, and nothing is lost."""
