"""The courier process: reads spools, seals records, delivers them; outlives the processes that log.

One process for each spool directory and machine. It starts lean, since a trainer's first
acknowledgement waits for it.
"""
