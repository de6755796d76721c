-- `coord` holds leases, sessions and job progress: not truth, may be lost.
create schema if not exists coord;

-- `projection` names which version of every projection is live; one row is the pointer that a flip moves.
create schema if not exists projection;

create table projection.versions (
    name       text not null,
    version    int  not null,
    state      text not null default 'building' check (state in ('building', 'live', 'retired')),
    created_at timestamptz not null default now(),
    primary key (name, version)
);

create table projection.live (
    name       text primary key,
    version    int not null,
    flipped_at timestamptz not null default now(),
    foreign key (name, version) references projection.versions (name, version)
);
