-- What SQL and BI tools see: views in schema public over the live versions, for the role speech_experiments_reader.
-- They are made anew whenever the pointer to a live version moves. Deleted subjects do not appear.

-- Give people a login of their own: create role ana login password '…' in role speech_experiments_reader.
do $$ begin
    create role speech_experiments_reader nologin;
exception
    when duplicate_object then null;
    when insufficient_privilege then raise notice 'no right to create the role speech_experiments_reader';
end $$;

create function projection.live_schema(projection text) returns text language sql stable as $$
    select format('%I', l.name || '_v' || l.version) from projection.live l where l.name = projection
$$;

create function projection.publish_view(name text, body text) returns void language plpgsql as $$
begin
    if body is null then
        return;  -- a projection that it reads is not live yet
    end if;
    execute format('drop view if exists public.%I', name);
    execute format('create view public.%I as %s', name, body);
    if exists (select 1 from pg_roles where rolname = 'speech_experiments_reader') then
        execute format('grant select on public.%I to speech_experiments_reader', name);
    end if;
end $$;

-- replace() gives null as soon as one schema is null, so a view waits for all that it reads.
-- A deleted experiment hides the runs that it had; a later run in it is shown, and the experiment with it.
create function projection.publish_views() returns void language plpgsql as $$
declare
    metadata  text := projection.live_schema('metadata');
    metrics   text := projection.live_schema('metrics');
    scores    text := projection.live_schema('scores');
    artifacts text := projection.live_schema('artifacts');
    control   text := projection.live_schema('control');
    hidden    text := replace($body$
        exists (
            select 1 from {control}.deletions d
            where d.workspace = r.workspace
              and (d.kind = 'run' and d.id = r.id
                   or d.kind = 'experiment' and d.id = r.experiment_id and d.deleted_at >= r.created_at))
    $body$, '{control}', control);
begin
    perform projection.publish_view('speech_experiments', replace(replace($body$
        select e.id as experiment_id, e.workspace, e.name, e.birth_name, e.task, e.description, e.tags,
               e.archived, e.user_name, e.created_at, e.updated_at
        from {metadata}.experiments e
        where not exists (
            select 1 from {control}.deletions d
            where d.kind = 'experiment' and d.id = e.id and d.workspace = e.workspace
              and (e.last_run_at is null or e.last_run_at <= d.deleted_at))
    $body$, '{metadata}', metadata), '{control}', control));

    perform projection.publish_view('speech_runs', replace(replace($body$
        select r.id as run_id, r.experiment_id, e.name as experiment, r.workspace, r.name, r.status, r.user_name,
               r.notes, r.error, r.attempts, r.tags, r.config, r.created_at, r.started_at, r.finished_at,
               r.heartbeat_at, r.model_type, r.num_params, r.encoder_layers, r.decoder_layers, r.train_dataset,
               r.train_hours, r.languages, r.domains, r.sample_rate, r.feature_type, r.n_mels, r.hop_length,
               r.win_length, r.augmentation_policy, r.optimizer, r.learning_rate, r.batch_size, r.epochs,
               r.git_commit, r.docker_image, r.num_gpus
        from {metadata}.runs r left join {metadata}.experiments e on e.id = r.experiment_id
        where not {hidden}
    $body$, '{metadata}', metadata), '{hidden}', hidden));

    -- Results on test sets and speakers, then the last value of every other metric (test_set null).
    perform projection.publish_view('speech_metrics', replace(replace(replace(replace($body$
        with results as (
            select t.run_id, nullif(t.test_set, '') as test_set, t.metric, t.value,
                   nullif(t.speaker, '') as speaker_id, nullif(t.decoding, '') as decoding, t.key, t.step, t.time
            from {metrics}.test_set_results t
            where not exists (
                select from {scores}.results s where (s.run_id, s.test_set, s.metric, s.decoding, s.speaker)
                    = (t.run_id, t.test_set, t.metric, t.decoding, t.speaker))
            union all
            select s.run_id, s.test_set, s.metric, s.value, null, nullif(s.decoding, ''), s.key, s.step, s.time
            from {scores}.results s where s.rule >= 0
            union all
            select s.run_id, null, s.key, s.last_value, null, null, s.key, s.last_step, s.last_time
            from {metrics}.summaries s
            where s.rank = 0 and not exists (
                select 1 from {metrics}.test_set_results t where t.run_id = s.run_id and t.key = s.key))
        select m.run_id, m.test_set, m.metric, m.value, m.speaker_id, null::text as utterance_id,
               m.time as timestamp, m.decoding, m.key, m.step
        from results m join {metadata}.runs r on r.id = m.run_id
        where not {hidden}
    $body$, '{metrics}', metrics), '{scores}', scores), '{metadata}', metadata), '{hidden}', hidden));

    perform projection.publish_view('speech_artifacts', replace(replace(replace(replace($body$
        select a.id as artifact_id, a.run_id, a.workspace, a.type, a.path, a.version, a.size_bytes,
               a.sha256 as content_hash,
               coalesce(a.storage->>'uri', 'blobs/sha256/' || left(a.sha256, 2) || '/' || a.sha256) as storage_uri,
               a.epoch, a.step, a.created_at
        from {artifacts}.artifacts a join {metadata}.runs r on r.id = a.run_id and r.workspace = a.workspace
        where not {hidden} and not exists (
            select 1 from {control}.deletions d
            where d.kind = 'artifact' and d.id = a.id and d.workspace = a.workspace)
    $body$, '{artifacts}', artifacts), '{metadata}', metadata), '{hidden}', hidden), '{control}', control));
end $$;

create function projection.on_flip() returns trigger language plpgsql as $$
begin
    perform projection.publish_views();
    return null;
end $$;

create trigger publish_views after insert or update of version on projection.live
    for each statement execute function projection.on_flip();

select projection.publish_views();
