"""The durable spool: what a call returned from is on disk, in segments with one writer each.

SPOOL/<run id or "process">/<producer id>/
    producer.json         who writes, and to which server it goes
    producer.lock         held with flock while the writer lives; counters in its first page
    <stream>-<nnnn>.seg   records, see `records`
    files/                contents of artifacts until they are stored
    drain/                journal and acknowledgements, written by the drain alone
"""
