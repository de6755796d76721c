-- Metric points: the position of a row is (partition, offset), kept as its inverse, so that of two
-- rows with one identity the merge keeps the earliest delivery. Every column of the identity is a number,
-- none is nullable: a point without a step has has_step 0 and step 0.
create table if not exists metric_points{suffix} (
    run             UInt64,
    key             UInt64,
    has_step        UInt8,
    step            Int64 codec(Delta(8), LZ4),
    producer        UInt64,
    seq             UInt64 codec(Delta(8), LZ4),
    time            DateTime64(6, 'UTC') codec(Delta(8), LZ4),
    value           Float64,
    epoch           Float64 default nan,
    partition       UInt16,
    inverted_offset UInt64,
    -- Positions are compared at every start, and as-of reads cut by them: both touch few granules.
    index offsets inverted_offset type minmax granularity 1
)
engine = ReplacingMergeTree(inverted_offset)
primary key (run, key, has_step, step)
order by (run, key, has_step, step, producer, seq)
settings
    -- A curve is few rows out of every part: small granules, in small compressed blocks.
    index_granularity = 2048,
    min_compress_block_size = 16384,
    -- The default of 0 ignores insert tokens.
    non_replicated_deduplication_window = 10000,
    -- An insert is acknowledged when a power cut can no longer take it.
    fsync_after_insert = 1,
    fsync_part_directory = 1,
    -- Column by column and sixteen parts at a time, merging costs a third less; beyond some hundred
    -- million rows a part is left as it is.
    min_parts_to_merge_at_once = 16,
    max_bytes_to_merge_at_max_space_in_pool = 4000000000,
    vertical_merge_algorithm_min_columns_to_activate = 1,
    vertical_merge_algorithm_min_rows_to_activate = 1;
