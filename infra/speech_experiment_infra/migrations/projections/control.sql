-- Topic control: workspaces, people, keys, shares, reports, deletions, and the audit trail.
create table {schema}.workspaces (
    id         uuid primary key,
    name       text not null unique,
    title      text not null default '',
    created_at timestamptz not null,
    created_by text
);

create table {schema}.members (
    person_id  uuid not null,
    workspace  text not null,
    name       text not null,
    email      text,
    role       text not null,
    added_at   timestamptz not null,
    removed_at timestamptz,
    primary key (person_id, workspace)
);

create table {schema}.keys (
    id         uuid primary key,
    workspace  text not null,
    role       text not null,
    sha256     text not null unique,
    label      text not null,
    hint       text not null,
    created_at timestamptz not null,
    created_by text,
    revoked_at timestamptz,
    revoked_by text
);

-- Links to one view, for whoever has them.
create table {schema}.shares (
    id         uuid primary key,
    workspace  text not null,
    name       text not null,
    path       text not null,                  -- of the view, with its query
    as_of      text,                           -- vector that it shows; null: the newest
    sha256     text not null unique,
    hint       text not null,
    expires_at timestamptz not null,
    created_at timestamptz not null,
    created_by text,
    revoked_at timestamptz,
    revoked_by text
);
create index on {schema}.shares (workspace, created_at desc);

-- Every revision of every report.
create table {schema}.reports (
    id        uuid not null,
    revision  int not null,
    workspace text not null,
    title     text not null,
    body      text not null,                   -- Markdown with panels
    as_of     text,                            -- vector that its panels show; null: the newest
    partition int not null,
    "offset"  bigint not null,
    saved_at  timestamptz not null,            -- broker time
    saved_by  text,
    primary key (id, revision)
);
create index on {schema}.reports (workspace, saved_at desc);

create table {schema}.deletions (
    kind       text not null,
    id         uuid not null,
    workspace  text not null,
    deleted_at timestamptz not null,
    deleted_by text,
    reason     text not null default '',
    primary key (kind, id)
);

-- History for as-of: deleted from the event at from_offset on, until before to_offset (null: still).
-- A second deletion ends the first one's period, as a restoration does; restored_at tells which it was.
create table {schema}.deletion_history (
    kind        text not null,
    id          uuid not null,
    workspace   text not null,
    partition   int not null,
    from_offset bigint not null,
    to_offset   bigint,
    deleted_at  timestamptz not null,
    deleted_by  text,
    reason      text not null default '',
    restored_at timestamptz,
    restored_by text,
    primary key (kind, id, from_offset)
);

-- What people did: every event of the topic.
create table {schema}.audit (
    partition int not null,
    "offset"  bigint not null,
    time      timestamptz not null,            -- broker time
    workspace text not null,
    actor     text,
    type      text not null,
    kind      text not null,                   -- of the subject
    id        uuid not null,
    reason    text not null default '',
    details   jsonb not null default '{}',     -- the event's other fields
    primary key (partition, "offset")
);
create index on {schema}.audit (workspace, time desc, partition desc, "offset" desc);
create index on {schema}.audit (workspace, id);
