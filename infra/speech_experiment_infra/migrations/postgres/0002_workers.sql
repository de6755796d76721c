-- What each worker says of itself every two seconds; a row that is not renewed belongs to a dead one.
create table coord.workers (
    projection text  not null,
    version    int   not null,
    worker     text  not null,                 -- host:pid
    status     jsonb not null,                 -- partitions {p: {next, end}}, lag, records, bytes, batches, write_ms, latency_ms
    updated_at timestamptz not null default now(),
    primary key (projection, version, worker)
);
