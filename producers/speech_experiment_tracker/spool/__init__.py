"""The durable spool: what a call returned from is on disk, in segments with one writer each.

SPOOL/processes/<id>/            what one process writes: files of all its producers, side by side
    <producer>.page              who writes, counters, acknowledgements, and the first segments of the
                                 streams that it begins with; held with flock while it lives
    <producer>.<stream>-<nnnn>.seg   further segments of records, see `records`
    <producer>.reserve           space for the last words on a full disk
    files/<producer>/            contents of artifacts until they are stored
    drain/                       the journals of what is sealed, written by the drain alone
    own                          the drain's own producers, which have no pages

A file system makes and removes folders, and files, more slowly than a sweep makes runs: hence one folder
for a process, and one file for a short run. Format 1 had a folder and six files for each, see `places`.
"""
