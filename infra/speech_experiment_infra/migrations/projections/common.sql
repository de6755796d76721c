-- What every projection owns, in the schema of its version: positions, ledger, dead letters.
create schema if not exists {schema};

-- The sink's own position; Kafka's committed offset is never the truth.
-- first_hash/last_hash: SHA-256 of the first and the last applied record's bytes, which name the log.
-- pending_*: for sinks that write to ClickHouse; rows with one pending_batch form one vector.
create table {schema}.positions (
    topic         text   not null,
    partition     int    not null,
    next_offset   bigint not null default 0,
    cluster_id    text,
    first_offset  bigint,
    first_hash    bytea,
    last_hash     bytea,
    last_time     timestamptz,
    generation    bigint not null default 0,
    pending_batch uuid,
    pending_first bigint,
    pending_last  bigint,
    applied_at    timestamptz not null default now(),
    primary key (topic, partition)
);

-- One row per producer of this projection's topic, and run or workspace that it speaks of: the seqs received,
-- and how it opened and closed. A run's workspace is that of its first record in the topic.
create table {schema}.ledger (
    producer     uuid not null,
    hash         bigint not null,              -- 64-bit hash as in ClickHouse, reinterpreted as signed
    subject_kind text   not null,
    subject_id   uuid   not null,
    run_id       uuid,
    workspace    text   not null,              -- '' in the topic control, which concerns all
    partition    int    not null,
    first_offset bigint not null,
    last_offset  bigint not null,
    received     int8multirange not null default '{}',  -- includes voided ranges
    voided       int8multirange not null default '{}',
    digest       bytea not null default '\x',  -- xor of the digests of the records received
    role         text,
    rank         bigint,
    world_size   bigint,
    attempt      bigint,
    host         text,
    pid          bigint,
    client       text,
    launch       text,                         -- the start that distributed workers have in common
    opened_at    timestamptz,
    opened_offset bigint,                      -- of the opening: rank and attempt hold from there on
    closed_at    timestamptz,
    close_reason text,
    last_seq     bigint,                       -- of the closing record; null while open
    last_call    bigint,                       -- the producer's clock at its last call, in microseconds
    problems     jsonb not null default '{}',
    first_seen   timestamptz not null,
    last_seen    timestamptz not null,
    unique nulls not distinct (producer, run_id, workspace)
);
create index on {schema}.ledger (run_id);

create table {schema}.dead_letters (
    id           bigint generated always as identity primary key,
    topic        text   not null,
    partition    int    not null,
    "offset"     bigint not null,
    key          bytea,
    value        bytea,
    headers      jsonb  not null default '[]',
    reason       text   not null,              -- malformed, unknown_type, wrong_partition, forbidden, collision, failed
    error        text   not null,
    code_version text   not null,
    parked_at    timestamptz not null default now(),
    replayed_at  timestamptz,
    unique (topic, partition, "offset")
);

-- How far answers may go.
create view {schema}.reached as select topic, partition, pending_last, next_offset from {schema}.positions;
