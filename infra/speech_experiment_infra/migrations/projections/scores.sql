-- Topic evaluations: test sets, evaluations, and what scoring profiles make of them.
-- Utterances lie packed in columns (see projections/…/utterances.py and scores.py): one row a list, and one a list,
-- evaluation and profile, so that a question about a hundred thousand utterances reads a few rows.
create table {schema}.test_sets (
    id          uuid primary key,              -- made of workspace and name
    workspace   text not null,
    name        text not null,
    language    text,
    domain      text,
    corpus      text,                          -- that speakers belong to
    description text,
    revision    int  not null default 0,       -- the newest; 0: no list of utterances is complete
    created_at  timestamptz not null,
    updated_at  timestamptz not null,
    partition   int not null,
    "offset"    bigint not null,
    state       bytea not null                 -- the fold's own state, from which the row was made
);
create index on {schema}.test_sets (workspace, name);

create table {schema}.test_set_revisions (
    test_set   uuid not null,
    number     int  not null,
    base       int  not null,                  -- the revision whose list it corrects; its own number where it is a list
    upload     uuid not null,                  -- of that list
    language   text,                           -- of its utterances that do not say theirs
    utterances bigint not null,
    corrected  int  not null default 0,        -- references that it changes
    reason     text not null default '',
    actor      text,
    time       timestamptz not null,
    partition  int not null,
    "offset"   bigint not null,
    primary key (test_set, number)
);

-- What was said of a set, by each test_set.registered.
create table {schema}.test_set_descriptions (
    test_set    uuid not null,
    partition   int not null,
    "offset"    bigint not null,
    language    text,
    domain      text,
    corpus      text,
    description text,
    primary key (test_set, partition, "offset")
);

create table {schema}.corrections (
    test_set  uuid not null,
    number    int  not null,
    base      int  not null,
    utterance text not null,
    reference text not null,
    primary key (test_set, number, utterance)
);

-- Every word on whether a reference is doubtful; the newest holds, until the reference is corrected.
create table {schema}.reference_marks (
    test_set  uuid not null,
    utterance text not null,
    doubtful  boolean not null,                -- false: dismissed
    note      text not null default '',
    actor     text,
    time      timestamptz not null,
    partition int not null,
    "offset"  bigint not null,
    primary key (test_set, utterance, partition, "offset")
);

-- Batches as they were logged.
create table {schema}.utterance_batches (
    test_set  uuid not null,
    upload    uuid not null,
    partition int not null,
    "offset"  bigint not null,
    data      bytea not null,
    primary key (test_set, upload, partition, "offset")
);
create table {schema}.hypothesis_batches (
    evaluation uuid not null,
    partition  int not null,
    "offset"   bigint not null,
    first      bigint not null,                -- number of its first row in the evaluation
    rows       int not null,
    data       bytea not null,
    primary key (evaluation, partition, "offset")
);
alter table {schema}.utterance_batches alter data set storage external;
alter table {schema}.hypothesis_batches alter data set storage external;

create table {schema}.evaluations (
    id            uuid primary key,
    run_id        uuid not null,
    workspace     text not null,
    test_set      uuid,                        -- null while only hypotheses are known
    test_set_name text,
    name          text,
    own           boolean not null,            -- scored on references of its own
    revision      int,                         -- scored on that revision alone
    language      text,
    decoding      jsonb not null default '{}',
    decoding_text text not null default '',    -- canonical, e.g. beam=10,lm=0.5
    checkpoint    text,
    timing        jsonb not null default '{}',
    tags          jsonb not null default '{}',
    state         text not null,               -- open, incomplete, complete
    rows          bigint not null,
    started_at    timestamptz not null,
    finished_at   timestamptz,
    partition     int not null,
    "offset"      bigint not null,             -- of its first event
    finished      bigint,                      -- offset of the event that said its end
    completed     bigint,                      -- of the one that made it whole
    fold          bytea not null               -- the fold's own state, from which the row was made
);
create index on {schema}.evaluations (run_id);
create index on {schema}.evaluations (test_set) where completed is not null;
create index on {schema}.evaluations (workspace, started_at desc, id desc);

-- Profiles that a workspace is scored by; the default one is everywhere.
create table {schema}.profiles (
    workspace  text not null,
    name       text not null,
    definition jsonb not null,
    applied_at timestamptz not null,
    partition  int not null,
    "offset"   bigint not null,
    primary key (workspace, name, "offset", partition)
);
create table {schema}.workspaces (workspace text primary key);  -- locked by what must not miss each other

-- Work that is left: bring the scores of an evaluation under a profile level with all revisions of a list.
create table {schema}.tasks (
    evaluation uuid not null,
    base       int  not null,                  -- 0: references of its own
    profile    text not null,
    test_set   uuid not null,
    workspace  text not null,
    partition  int  not null,
    "offset"   bigint not null,                -- of the event that gave rise to it: answers do not go beyond it yet
    changes    int  not null default 0,
    taken_at   timestamptz,
    taken_by   int,                            -- process of Postgres that serves whoever took it
    failures   int  not null default 0,
    primary key (evaluation, base, profile, partition)
);
create index on {schema}.tasks (partition, "offset");
create index on {schema}.tasks (test_set, base, profile);

-- What a list is, in columns; owner: the test set, or the evaluation with base 0.
create table {schema}.lists (
    owner      uuid not null,
    base       int  not null,
    utterances int  not null,
    ids        bytea not null,
    texts      bytea not null,
    factors    bytea not null,
    audio      bytea not null,
    primary key (owner, base)
);
alter table {schema}.lists alter ids set storage external, alter texts set storage external,
    alter factors set storage external, alter audio set storage external;

create table {schema}.score_columns (
    evaluation uuid not null,
    base       int  not null,
    profile    bytea not null,                 -- identity
    data       bytea not null,
    primary key (evaluation, profile, base)
);
alter table {schema}.score_columns alter data set storage external;

create table {schema}.score_patches (
    evaluation    uuid not null,
    base          int  not null,
    profile       bytea not null,
    number        int  not null,
    position      int  not null,
    hits          int  not null,
    substitutions int  not null,
    deletions     int  not null,
    insertions    int  not null,
    counted       boolean not null,
    primary key (evaluation, profile, base, number, position)
);

create table {schema}.scores (
    evaluation    uuid not null,
    number        int  not null,               -- revision; 0: references of its own
    base          int  not null,
    profile       bytea not null,              -- identity
    profile_name  text not null,
    workspace     text not null,
    run_id        uuid not null,
    test_set      uuid not null,
    hits          bigint,
    substitutions bigint,
    deletions     bigint,
    insertions    bigint,
    utterances    int,
    covered       int,                         -- utterances with a hypothesis
    counted       int,                         -- utterances that the sums are over
    wrong         int,                         -- utterances with an error
    empty_references int,
    speakers      int,
    mean_of_utterances double precision,
    mean_of_speakers   double precision,
    audio_seconds  double precision,
    decode_seconds double precision,
    digest        text,                        -- of ids and references
    rate          double precision,            -- null where there is no token of reference
    refused       text not null default '',    -- why a rule of the profile forbids a score
    flags         jsonb not null default '{}', -- hypotheses and corrections that do not fit
    made          xid8 not null default pg_current_xact_id(),  -- so that a reader finds what was added
    primary key (evaluation, profile, number)
);
create index on {schema}.scores (workspace, profile, made);
create index on {schema}.scores (run_id);

-- What evaluations say of runs, in the form of results that are recognised from names of metrics, for the profiles whose
-- rate has such a name. Of several evaluations with one decoding the newest counts; rule -1 stands in for the
-- default decoding where all had settings. $1: these runs, or null; $2: this workspace, or null; $3: next offsets by
-- partition, or null for now.
create function {schema}.results_of(uuid[], text, bigint[]) returns table (
    run_id uuid, key text, test_set text, metric text, speaker text, decoding text, value double precision,
    step bigint, "time" timestamptz, rule int, partition int, "offset" bigint
) language sql stable as $$
    with newest as (
        select distinct on (v.test_set) v.test_set, v.number from {schema}.test_set_revisions v
        where $3 is null or v."offset" < $3[v.partition + 1] order by v.test_set, v.number desc
    ), scored as (
        select e.id, e.run_id, e.test_set_name, e.decoding_text, e.started_at, e.finished_at, e.partition, e.completed,
               m.metric, s.rate,
               bool_or(e.decoding_text = '') over (partition by e.run_id, e.test_set_name, m.metric) as has_default
        from {schema}.evaluations e
        left join newest v on v.test_set = e.test_set and not e.own
        join {schema}.scores s on s.evaluation = e.id
            and s.number = case when e.own then 0 else coalesce(e.revision, v.number) end
        join (values ('basic-wer', 'wer'), ('basic-cer', 'cer'), ('mixed-mer', 'mer')) m (profile, metric)
            on m.profile = s.profile_name
        where s.rate is not null and e.completed is not null and ($1 is null or e.run_id = any($1))
          and ($2 is null or e.workspace = $2) and ($3 is null or e.completed < $3[e.partition + 1])
    ), one as (
        select distinct on (run_id, test_set_name, metric, decoding_text) * from scored
        order by run_id, test_set_name, metric, decoding_text, started_at desc, id desc
    ), standing_in as (
        select distinct on (run_id, test_set_name, metric) * from scored where not has_default
        order by run_id, test_set_name, metric, started_at desc, id desc
    )
    select run_id, test_set_name || '_' || metric || case decoding_text when '' then '' else '@' || decoding_text end,
           test_set_name, metric, '', decoding_text, rate, null::bigint, finished_at, 0, partition, completed from one
    union all
    select run_id, test_set_name || '_' || metric, test_set_name, metric, '', '', rate, null::bigint, finished_at, -1,
           partition, completed from standing_in
$$;
create table {schema}.results as select * from {schema}.results_of(null, null, null) with no data;
alter table {schema}.results add primary key (run_id, key);
create index on {schema}.results (metric, test_set, value, run_id) where speaker = '' and decoding = '';

-- Identities that the definitions of profiles have had: another release's tools may give another.
create table {schema}.identities (
    identity   bytea primary key,
    name       text not null,
    definition jsonb not null,                 -- as it was applied; empty for a built-in one
    unit       text not null,
    statement  jsonb not null,                 -- all that the identity covers
    made_at    timestamptz not null default now()
);

-- Tasks other than recognition, measured by the client with the tools of the field.
create table {schema}.measurements (
    id         uuid primary key,
    run_id     uuid not null,
    workspace  text not null,
    task       text not null,                  -- diarization, verification, …
    test_set   text not null,
    name       text,
    headline   text not null,                  -- the number that systems are compared by
    identity   text not null,                  -- of the definition: numbers of one identity mean the same
    definition jsonb not null,
    numbers    jsonb not null,
    intervals  jsonb not null default '{}',
    items      jsonb not null default '{}',    -- recordings, sessions, keywords, … in columns
    artifacts  jsonb not null default '{}',    -- role → path within the run
    decoding   jsonb not null default '{}',
    checkpoint text,
    logged_at  timestamptz not null,
    partition  int not null,
    "offset"   bigint not null
);
create index on {schema}.measurements (workspace, test_set, task);
create index on {schema}.measurements (run_id);

-- How far answers may go: not beyond an event whose scores are still to come.
create or replace view {schema}.reached as
    select p.topic, p.partition, p.pending_last,
           least(p.next_offset, (select min(t."offset") from {schema}.tasks t where t.partition = p.partition)) as next_offset
    from {schema}.positions p;
