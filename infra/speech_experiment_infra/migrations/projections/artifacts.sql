-- Topic artifacts.
create table {schema}.artifacts (
    id           uuid primary key,
    workspace    text not null,
    run_id       uuid not null,
    path         text not null,
    type         text not null,
    size_bytes   bigint not null,
    sha256       text not null,
    content_type text not null,
    storage      jsonb not null,
    step         bigint,
    epoch        double precision,
    metadata     jsonb not null default '{}',
    version      int not null,                 -- of this path in this run, from 1, in log order
    producer     uuid not null,
    created_at   timestamptz not null,         -- broker time
    partition    int not null,
    "offset"     bigint not null
);
create index on {schema}.artifacts (run_id, path, version desc);
create index on {schema}.artifacts (sha256);
