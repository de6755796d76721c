-- Topic metrics, the Postgres side: what the points in ClickHouse mean, and their summaries.
create table {schema}.metric_keys (
    hash bigint primary key,                   -- 64-bit hash as in ClickHouse, reinterpreted as signed
    key  text not null unique
);

create table {schema}.metric_runs (
    run_id    uuid primary key,
    hash      bigint not null unique,
    partition int not null
);

-- Announcements of attempts; of one announced several times the smallest from_step counts.
create table {schema}.attempts (
    run_id    uuid not null,
    attempt   int not null,
    from_step bigint,                          -- earlier attempts count up to and including it; null: all of them
    partition int not null,
    "offset"  bigint not null,
    time      timestamptz not null,
    primary key (run_id, attempt, "offset")
);

-- Per run, key and rank, over the effective curve. NaN is counted, and never a minimum or maximum.
create table {schema}.summaries (
    run_id     uuid not null,
    key        text not null,
    rank       int not null default 0,
    count      bigint not null,
    nans       bigint not null default 0,
    last_value double precision not null,
    last_step  bigint,
    last_time  timestamptz not null,
    last_seq   bigint not null,
    min_value  double precision,
    min_step   bigint,
    max_value  double precision,
    max_step   bigint,
    sum_value  numeric not null default 0,     -- exact, so that it does not depend on the batches
    "offset"   bigint not null,
    primary key (run_id, key, rank)
);
create index on {schema}.summaries (key, last_value, run_id) where rank = 0;

-- Results recognised from metric names (librispeech-test-clean_wer, speaker_1272_wer, wer_beam10_lm0.5).
create table {schema}.test_set_results (
    run_id   uuid not null,
    key      text not null,                    -- the name it was logged under
    test_set text not null default '',
    metric   text not null,
    speaker  text not null default '',
    decoding text not null default '',         -- canonical, e.g. beam=10,lm=0.5
    value    double precision not null,
    step     bigint,
    time     timestamptz not null,
    rule     int not null,                     -- version of the naming rule
    partition int not null,
    "offset" bigint not null,
    primary key (run_id, key)
);
create index on {schema}.test_set_results (metric, test_set, value, run_id) where speaker = '' and decoding = '';
create index on {schema}.test_set_results (run_id, metric, test_set) where speaker = '' and decoding = '';
create index on {schema}.test_set_results (test_set, run_id);

-- The last offset that gave rows to ClickHouse: where its row is missing, ClickHouse has lost what it confirmed.
alter table {schema}.positions add column rows_offset bigint;
