-- `coord` holds leases, sessions and job progress: not truth, may be lost.
create schema if not exists coord;

-- `projection` names which version of every projection is live; one row is the pointer that a flip moves.
create schema if not exists projection;

-- The life of a version: building (a rebuild fills it), kept (followed beside the live one, before a flip to it or
-- after a flip away from it), live, retired (followed no more; its tables are dropped, its number is never used again).
create table projection.versions (
    name       text not null,
    version    int  not null,
    state      text not null default 'building' check (state in ('building', 'kept', 'live', 'retired')),
    line       int  not null,                  -- versions of one line were compared and hold the same
    indexed    boolean not null default true,  -- false: what speeds up reading is made after the bulk load
    created_at timestamptz not null default now(),
    changed_at timestamptz not null default now(),  -- when it got its state
    dropped_at timestamptz,                    -- when the tables of a retired version were dropped
    primary key (name, version)
);
create unique index on projection.versions (name) where state = 'live';

create table projection.live (
    name       text primary key,
    version    int not null,
    flipped_at timestamptz not null default now(),
    previous   int,                            -- live until flipped_at: some readers still read it for a moment
    next       int,                            -- announced: will be live in a moment
    foreign key (name, version) references projection.versions (name, version)
);

create table projection.flips (
    id         bigint generated always as identity primary key,
    name       text not null,
    version    int  not null,
    previous   int  not null,
    flipped_at timestamptz not null default now(),
    flipped_by text not null,
    forced     boolean not null default false,
    reason     text not null default ''
);

-- The jobs that fill building versions. beat_at: the holder's last sign of life; another may take over when it is old.
create table coord.rebuilds (
    name         text not null,
    version      int  not null,
    flip         boolean not null,             -- whether to go live as soon as it is found equal
    phase        text not null default 'waiting',
    holder       text,                         -- host:pid
    beat_at      timestamptz,
    failures     int  not null default 0,      -- attempts since the last progress
    requested_by text not null,
    requested_at timestamptz not null default now(),
    finished_at  timestamptz,
    progress     jsonb not null default '{}',
    findings     jsonb,                        -- of the comparison with the version that was live
    error        text,
    primary key (name, version)
);
