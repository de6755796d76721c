-- Topic control: workspaces, people, keys, deletions.
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

create table {schema}.deletions (
    kind       text not null,
    id         uuid not null,
    workspace  text not null,
    deleted_at timestamptz not null,
    deleted_by text,
    reason     text not null default '',
    primary key (kind, id)
);
