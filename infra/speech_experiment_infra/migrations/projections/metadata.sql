-- Topic runs: experiments, runs, their params, tags, links, output.
create table {schema}.experiments (
    id          uuid primary key,
    workspace   text not null,
    name        text not null,
    birth_name  text,                          -- null: a placeholder, known only from its runs
    task        text,
    description text,
    tags        jsonb not null default '{}',
    archived    boolean not null default false,
    user_name   text,
    created_at  timestamptz not null,
    updated_at  timestamptz not null,
    last_run_at timestamptz,                   -- broker time of the latest run.started: later than a deletion, it ends it
    partition   int not null,
    "offset"    bigint not null,
    state       bytea not null                 -- the fold's own state, from which the row was made
);
create index on {schema}.experiments (workspace, created_at desc, id);
create index on {schema}.experiments (workspace, task);

create table {schema}.experiment_links (
    experiment_id uuid not null,
    kind          text not null,
    target        uuid not null,
    primary key (experiment_id, kind, target)
);

create table {schema}.runs (
    id            uuid primary key,
    hash          bigint not null,             -- 64-bit hash as in ClickHouse, reinterpreted as signed
    workspace     text not null,
    experiment_id uuid,
    name          text not null,
    status        text not null,               -- running, finished, failed, cancelled, lost
    user_name     text,
    notes         text,
    error         text,
    traceback     text,
    exit_code     bigint,
    attempts      bigint not null default 1,
    tags          jsonb not null default '{}',
    config        jsonb not null default '{}',
    environment   jsonb not null default '{}',
    problems      jsonb not null default '{}',
    concurrent    jsonb not null default '[]', -- processes that went on after another one had taken over
    created_at    timestamptz not null,        -- broker time of the first event
    started_at    timestamptz,
    finished_at   timestamptz,
    heartbeat_at  timestamptz,
    updated_at    timestamptz not null,
    -- columns of the seed design, derived from config, tags and environment by projections/…/derived.py
    model_type    text,
    num_params    bigint,
    encoder_layers int,
    decoder_layers int,
    train_dataset text,
    train_hours   double precision,
    languages     text[] not null default '{}',
    domains       text[] not null default '{}',
    sample_rate   int,
    feature_type  text,
    n_mels        int,
    hop_length    int,
    win_length    int,
    augmentation_policy text,
    optimizer     text,
    learning_rate double precision,
    batch_size    int,
    epochs        int,
    git_commit    text,
    docker_image  text,
    num_gpus      int,
    partition     int not null,
    first_offset  bigint not null,
    last_offset   bigint not null,
    state         bytea not null               -- the fold's own state, from which the row was made
);
-- Long values go out of line, so that searches read a narrow table.
alter table {schema}.runs set (toast_tuple_target = 512);
alter table {schema}.runs alter languages set storage main, alter domains set storage main;
-- The first two are walked by searches: newest first, and by id where a value to sort by is missing.
create index on {schema}.runs (workspace, created_at desc, id desc) include (experiment_id);
create index on {schema}.runs (workspace, id);
-- These two answer alone, without the wide rows: how the runs of an experiment do, and names with a word in them.
create index on {schema}.runs (experiment_id, created_at desc, id desc) include (workspace, status);
create index on {schema}.runs (workspace, name) include (created_at, id, experiment_id);
create index on {schema}.runs (workspace, status);
create index on {schema}.runs using gin (languages);
create index on {schema}.runs using gin (domains);
create index on {schema}.runs (hash);

-- Flattened config, dotted keys: numbers in num, strings in txt, booleans as txt 'true'/'false'; lists as JSON text.
create table {schema}.run_params (
    run_id uuid not null,
    key    text not null,
    num    double precision,
    txt    text,
    primary key (run_id, key)
);
create index on {schema}.run_params (key, num, run_id) where num is not null;
create index on {schema}.run_params (key, left(txt, 200), run_id) where txt is not null;

create table {schema}.run_tags (
    run_id uuid not null,
    key    text not null,
    value  text not null,
    primary key (run_id, key)
);
create index on {schema}.run_tags (key, left(value, 200), run_id);  -- a value may be too long for an index

create table {schema}.run_links (
    run_id uuid not null,
    kind   text not null,
    target uuid not null,
    primary key (run_id, kind, target)
);
create index on {schema}.run_links (target);

create table {schema}.run_output (
    run_id    uuid not null,
    partition int not null,
    "offset"  bigint not null,
    producer  uuid not null,
    channel   text not null,
    first     bigint not null,
    lines     text[] not null,
    time      timestamptz not null,
    primary key (run_id, "offset", partition)
);

-- History for as-of: the run's state after the event at from_offset, until before to_offset (null: current).
-- Config and environment stand only where they differ from the version before.
create table {schema}.run_versions (
    run_id      uuid not null,
    partition   int not null,
    from_offset bigint not null,
    to_offset   bigint,
    state       bytea not null,
    config      bytea,
    environment bytea,
    primary key (run_id, from_offset)
);

-- Heartbeats, which make no versions: stretches of them that found the run with the same problems.
create table {schema}.run_contacts (
    run_id      uuid not null,
    from_offset bigint not null,
    problems    jsonb not null,
    beats       bytea not null,                -- pairs of offset and broker time, 16 bytes each; see contacts.py
    primary key (run_id, from_offset)
) with (fillfactor = 60);

-- The experiment's state after its own event at from_offset.
create table {schema}.experiment_versions (
    experiment_id uuid not null,
    partition     int not null,
    from_offset   bigint not null,
    state         bytea not null,
    primary key (experiment_id, from_offset)
);

-- What the first run in each partition said of its experiment: it shows until the experiment has events of its own.
create table {schema}.experiment_placeholders (
    experiment_id uuid not null,
    partition     int not null,
    from_offset   bigint not null,
    state         bytea not null,
    primary key (experiment_id, partition)
);
