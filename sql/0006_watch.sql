-- SPDX-License-Identifier: PostgreSQL
--
-- Step 6: what people call: watch(), unwatch(), refresh(), the view watches; and the event triggers.
--
-- Event triggers keep the generated code in step with ALTER TABLE and remove what belonged to a dropped table. Creating them
-- takes a superuser (or a cloud's stand-in for one). Without them nothing breaks: a stale trigger announces keys only, or only
-- counts, until the server looks (refresh_stale(), every few seconds and when it sees such an event) or herald.refresh() is called.
-- They never fail the DDL that fires them: what goes wrong becomes a WARNING, and what is left stale the server sees.

SET LOCAL ROLE herald_owner;
SET LOCAL search_path = pg_catalog;

CREATE FUNCTION herald.check_watch(relation regclass, columns text[], exclude text[], key_columns text[], channel text,
                                   mode text, max_bytes int, always boolean, numbers text, keep text[]) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    c        record;
    obstacle text;
    missing  text;
    parent   oid;
BEGIN
    SELECT k.relkind, k.relpersistence, k.relowner, n.nspname INTO c
      FROM pg_class k JOIN pg_namespace n ON n.oid = k.relnamespace WHERE k.oid = relation;
    IF c.relkind IS NULL OR c.relkind NOT IN ('r', 'p') OR c.relpersistence = 't' OR c.nspname IN ('herald', 'pg_catalog', 'information_schema') THEN
        RAISE EXCEPTION 'herald: % is not a table that can be watched', coalesce(relation::text, 'NULL')
            USING ERRCODE = '42809', HINT = 'Ordinary and partitioned tables can, but no views, foreign, temporary or system tables.';
    END IF;
    IF NOT pg_has_role(current_user, c.relowner, 'USAGE') THEN
        RAISE EXCEPTION 'herald: must be owner of table %', relation USING ERRCODE = '42501';
    END IF;
    IF mode IS NULL OR mode NOT IN ('row', 'statement') THEN
        RAISE EXCEPTION 'herald: mode is row or statement' USING ERRCODE = '22023';
    ELSIF numbers IS NULL OR numbers NOT IN ('text', 'native') THEN
        RAISE EXCEPTION 'herald: numbers is text or native' USING ERRCODE = '22023';
    ELSIF max_bytes IS NULL OR max_bytes NOT BETWEEN 256 AND 268435456 THEN
        RAISE EXCEPTION 'herald: max_bytes is between 256 and 268435456' USING ERRCODE = '22023';
    END IF;
    IF mode = 'statement' THEN
        obstacle := CASE WHEN always THEN 'replication applies rows without statements' ELSE herald.statement_mode_obstacle(relation) END;
        IF obstacle IS NOT NULL THEN
            RAISE EXCEPTION 'herald: mode statement would miss or reorder changes of %: %', relation, obstacle
                USING ERRCODE = '0A000', HINT = 'Use mode => ''row''.';
        END IF;
    END IF;
    SELECT t.tgparentid INTO parent FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid JOIN pg_namespace n ON n.oid = p.pronamespace
     WHERE t.tgrelid = relation AND t.tgparentid <> 0 AND n.nspname = 'herald' AND starts_with(p.proname::text, 'capture_') LIMIT 1;
    IF parent IS NOT NULL AND NOT herald.is_watched(relation) THEN
        -- The function of the whole was written for this part as well: each change would be announced twice.
        SELECT t.tgrelid INTO parent FROM pg_trigger t WHERE t.oid = parent;
        RAISE EXCEPTION 'herald: % is a part of %, which is watched, so its changes are announced already', relation, parent::regclass
            USING ERRCODE = '55000', HINT = format('To have them on a channel of their own: herald.unwatch(%L), then watch the part, then the whole again.',
                                                   parent::regclass);
    END IF;
    IF channel IS NOT NULL THEN
        PERFORM herald.check_template(channel);
    END IF;
    SELECT x.name INTO missing
      FROM (SELECT unnest(columns || exclude || key_columns || keep) UNION ALL SELECT p.col FROM herald.template_parts(channel) p) x(name)
     WHERE x.name IS NOT NULL
       AND NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = relation AND a.attname = x.name AND a.attnum > 0
                          AND NOT a.attisdropped AND (x.name = ANY (exclude) OR a.attgenerated <> 'v' OR herald.virtual_code(relation, x.name, '') IS NOT NULL)) LIMIT 1;
    IF missing IS NOT NULL THEN
        RAISE EXCEPTION 'herald: table % has no column % to announce', relation, quote_ident(missing) USING ERRCODE = '42703';
    END IF;
    SELECT x.name INTO missing FROM unnest(key_columns) x(name)
     WHERE x.name = ANY (exclude) OR NOT x.name = ANY (coalesce(columns, key_columns)) LIMIT 1;
    IF missing IS NOT NULL THEN
        RAISE EXCEPTION 'herald: key column % is not among the announced columns', quote_ident(missing) USING ERRCODE = '22023';
    END IF;
    IF NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = relation AND a.attnum > 0 AND NOT a.attisdropped
                      AND a.attname::text = ANY (coalesce(columns, ARRAY[a.attname::text])) AND NOT a.attname::text = ANY (coalesce(exclude, '{}'))) THEN
        RAISE EXCEPTION 'herald: no column of % is left to announce', relation USING ERRCODE = '22023';
    END IF;
END
$$;
COMMENT ON FUNCTION herald.check_watch(regclass, text[], text[], text[], text, text, int, boolean, text, text[]) IS
'Internal: raises unless a table can be watched like this by the caller.';

CREATE FUNCTION herald.check_live(relation regclass, columns text[], exclude text[], key_columns text[], keep text[], visible jsonb, claims text[],
                                  snapshot boolean, max_snapshot int) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    guarded   oid[] := herald.guarded_by(relation);
    announced text[] := ARRAY(SELECT c.name FROM herald.columns_of(relation) c
                               WHERE (columns IS NULL OR c.name = ANY (columns)) AND NOT c.name = ANY (exclude) ORDER BY c.num);
    keys      text[] := coalesce(key_columns, ARRAY(SELECT a.attname::text FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey::int2[])
                                                     WHERE i.indrelid = relation AND i.indisprimary));
BEGIN
    IF visible IS NULL AND guarded <> '{}' THEN
        RAISE EXCEPTION 'herald: % has row level security: say who may see the rows that are announced', guarded[1]::regclass USING ERRCODE = '42501',
            HINT = 'visible => a filter, such as ''{"owner_id": {"eq": {"identity": "row_id", "dbo_id": 12}}}''; or ''"policy"'', what the policies show; or ''"everybody"'', if all who may join the channel may see all rows.';
    END IF;
    PERFORM herald.check_visible(visible, claims, relation, announced || keep);
    IF max_snapshot IS NULL OR max_snapshot NOT BETWEEN 1 AND 1000000 THEN
        RAISE EXCEPTION 'herald: max_snapshot is between 1 and 1000000' USING ERRCODE = '22023';
    ELSIF snapshot AND (keys = '{}' OR NOT keys <@ announced) THEN
        RAISE EXCEPTION 'herald: a snapshot of % needs a key that is announced', relation
            USING ERRCODE = '22023', HINT = 'Announce the whole primary key, or say key_columns => what tells one row from all others.';
    END IF;
END
$$;
COMMENT ON FUNCTION herald.check_live(regclass, text[], text[], text[], text[], jsonb, text[], boolean, int) IS
'Internal: raises unless rows can be shown to whom visible says, and read as a snapshot if that is asked for.';

CREATE FUNCTION herald.covers(rule text, template text) RETURNS boolean
LANGUAGE sql IMMUTABLE STRICT SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE WHEN rule LIKE '%*' THEN starts_with(p.start, p.prefix) OR template LIKE '%{%' AND starts_with(p.prefix, p.start)
                ELSE rule ~ herald.template_pattern(template) END
      FROM (SELECT rtrim(rule, '*') AS prefix, herald.template_prefix(template) AS start) p
$$;
COMMENT ON FUNCTION herald.covers(text, text) IS 'Internal: whether a rule''s channel or pattern is for any channel of a template.';

CREATE FUNCTION herald.has_rule(template text) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT EXISTS (SELECT FROM herald.rule r WHERE r.active AND herald.covers(r.channel, template))
$$;
COMMENT ON FUNCTION herald.has_rule(text) IS 'Internal: whether clients may have a rule for any channel of a template.';

CREATE TYPE herald.finding AS (severity text, cause text, finding text, remedy text, about text);
COMMENT ON TYPE herald.finding IS 'What herald.doctor() says';
COMMENT ON COLUMN herald.finding.severity IS 'error: events do not arrive. warning: some may not, or will not soon. note: as it may be meant';
COMMENT ON COLUMN herald.finding.cause IS 'Its name, which stays the same';
COMMENT ON COLUMN herald.finding.finding IS 'What is the case, in words';
COMMENT ON COLUMN herald.finding.remedy IS 'The statement, command or option that mends it';
COMMENT ON COLUMN herald.finding.about IS 'The table, the channel or the rule that it concerns; NULL: all of them';

CREATE FUNCTION herald.no_rule(template text, about text) RETURNS SETOF herald.finding
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT 'error', 'rule_inactive', format('the rule %s is for the channel %s, but not active, so nobody can join it', min(r.channel), template),
           format('SELECT herald.set_rule(%L, active => true)', min(r.channel)), about
      FROM herald.rule r WHERE NOT herald.has_rule(template) AND herald.covers(r.channel, template) HAVING count(*) > 0
    UNION ALL
    SELECT 'error', 'rule_missing', format('no rule covers the channel %s, so nobody can join it', template),
           format('SELECT herald.set_rule(%L) lets clients with an identity join, anonymous_clients => true everybody.',
                  CASE WHEN template LIKE '%{%' THEN regexp_replace(herald.template_prefix(template), '[^/.]*$', '') || '*' ELSE template END), about
     WHERE NOT EXISTS (SELECT FROM herald.rule r WHERE herald.covers(r.channel, template))
$$;
COMMENT ON FUNCTION herald.no_rule(text, text) IS 'Internal: that clients have no rule for the channels of a template, and why.';

CREATE FUNCTION herald.surprises(relation regclass) RETURNS SETOF herald.finding
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    WITH RECURSIVE below(oid, is_part) AS (
        SELECT relation::oid, true
        UNION
        SELECT c.oid, c.relispartition FROM below b JOIN pg_inherits i ON i.inhparent = b.oid JOIN pg_class c ON c.oid = i.inhrelid
         WHERE b.oid = relation OR NOT herald.is_watched(b.oid)
    )
    SELECT f.* FROM herald.watch w CROSS JOIN LATERAL herald.no_rule(w.channel, relation::text) f WHERE w.relation = surprises.relation
    UNION ALL
    SELECT 'note', 'key_missing', format('%s has no primary key: an event that is reduced to the key, because it is too large, will not say which row it was', relation),
           'Call herald.watch() again with key_columns, or add a primary key.', relation::text
     WHERE NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = relation AND i.indisprimary)
    UNION ALL
    SELECT 'error', 'visible_nobody', CASE WHEN herald.wish_of(w.relation, w.key) ->> 'visible' IS NULL
                          THEN format('%s has row level security, and watch() was not told who may see its rows: nobody is shown them', relation)
                          ELSE format('visible of %s needs a column that is gone, not captured or of another type: nobody is shown its rows', relation) END,
           'Call herald.watch() again with visible.', relation::text
      FROM herald.watch w WHERE w.relation = surprises.relation AND w.visible = '"nobody"'
    UNION ALL
    SELECT 'warning', 'snapshot_lost', format('clients get no snapshot of %s any more: its key is not announced', relation), 'Call herald.watch() again with key_columns.', relation::text
      FROM herald.watch w WHERE w.relation = surprises.relation AND NOT w.snapshot AND herald.wish_of(w.relation, w.key) ->> 'snapshot' = 'true'
    UNION ALL
    SELECT 'note', 'column_virtual', format('virtual generated columns that need more than what is built in are not announced: %s', string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum)),
           'Make them STORED.', relation::text
      FROM pg_attribute a WHERE a.attrelid = relation AND a.attgenerated = 'v' AND NOT a.attisdropped AND herald.virtual_code(relation, a.attname, '') IS NULL HAVING count(*) > 0
    UNION ALL
    SELECT 'note', 'part_apart', format('%s is a part of %s, but watched itself: its changes are announced on its own channel only', b.oid::regclass, relation),
           format('To have them announced with the whole: SELECT herald.unwatch(%L)', b.oid::regclass), relation::text
      FROM below b WHERE b.oid <> relation AND b.is_part AND herald.is_watched(b.oid)
    UNION ALL
    SELECT 'note', 'part_foreign', format('parts of %s are foreign tables, and what others write there is not announced: %s', relation, string_agg(b.oid::regclass::text, ', ' ORDER BY b.oid)),
           'Write to them through this database.', relation::text
      FROM below b JOIN pg_class c ON c.oid = b.oid WHERE b.is_part AND c.relkind = 'f' HAVING count(*) > 0
    UNION ALL
    SELECT 'warning', 'child_missed', format('changes of tables that inherit from %s are not announced: %s', relation, string_agg(b.oid::regclass::text, ', ' ORDER BY b.oid)),
           'Triggers of a parent do not fire for its children: SELECT herald.watch(…) for each of them.', relation::text
      FROM below b WHERE b.oid <> relation AND NOT b.is_part AND NOT herald.is_watched(b.oid) HAVING count(*) > 0
    UNION ALL
    SELECT 'warning', 'trigger_rows', format('%s is watched in mode statement, and triggers that run before each row seem to write rows of it: %s. What one does to a row that the same statement has changed is announced too early', surprises.relation,
                           string_agg(quote_ident(t.tgname), ', ' ORDER BY t.tgname)), 'Call herald.watch() again with mode => ''row'', which keeps the order.', surprises.relation::text
      FROM herald.watch w JOIN pg_class c ON c.oid = w.relation JOIN pg_trigger t ON t.tgrelid = c.oid JOIN pg_proc p ON p.oid = t.tgfoid
     WHERE w.relation = surprises.relation AND w.mode = 'statement' AND NOT t.tgisinternal AND t.tgtype & 3 = 3
       AND p.prosrc ~* concat('(^|[^[:alnum:]_])(update|delete[[:space:]]+from|merge[[:space:]]+into)[[:space:]]+(only[[:space:]]+)?([^[:space:]]+[.])?"?(',
                              regexp_replace(c.relname, '[^[:alnum:]_]', '.', 'g'), '|%[0-9$]*[Is]|'')("|[^[:alnum:]_]|$)') HAVING count(*) > 0
$$;
COMMENT ON FUNCTION herald.surprises(regclass) IS 'Internal: what may surprise about the watch of a table.';

CREATE FUNCTION herald.tell(relation regclass, causes text[]) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    s record;
BEGIN
    FOR s IN SELECT * FROM herald.surprises(relation) x WHERE x.cause = ANY (causes) LOOP
        RAISE WARNING 'herald: %', s.finding USING HINT = s.remedy;
    END LOOP;
END
$$;
COMMENT ON FUNCTION herald.tell(regclass, text[]) IS 'Internal: warns of it.';

CREATE FUNCTION herald.watch("table" regclass, channel text DEFAULT NULL, columns text[] DEFAULT NULL, exclude text[] DEFAULT '{}',
                             key_columns text[] DEFAULT NULL, mode text DEFAULT 'row', max_bytes int DEFAULT 1048576,
                             always boolean DEFAULT false, numbers text DEFAULT 'text', keep text[] DEFAULT '{}', visible jsonb DEFAULT NULL,
                             claims text[] DEFAULT NULL, snapshot boolean DEFAULT false, max_snapshot int DEFAULT 10000,
                             restate boolean DEFAULT false) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    watch_key text;
    capture   text;
    trg       record;
    made      herald.watch;
    replaced  text := (SELECT w.channel FROM herald.watch w WHERE w.relation = "table" AND herald.is_watched(w.relation));
BEGIN
    exclude := coalesce(exclude, '{}');
    keep := coalesce(keep, '{}');
    always := coalesce(always, false);
    snapshot := coalesce(snapshot, false);
    visible := nullif(visible, 'null');
    PERFORM herald.check_watch("table", columns, exclude, key_columns, channel, mode, max_bytes, always, numbers, keep);
    PERFORM herald.check_live("table", columns, exclude, key_columns, keep, visible, claims, snapshot, max_snapshot);
    -- At once what DROP TRIGGER and CREATE POLICY take: who has read the table and then writes would deadlock with a lock that is raised later.
    EXECUTE format('LOCK TABLE %s IN %s MODE', "table", CASE WHEN replaced IS NULL AND NOT (snapshot AND "table" = ANY (herald.guarded_by("table")))
                                                             THEN 'SHARE ROW EXCLUSIVE' ELSE 'ACCESS EXCLUSIVE' END);
    watch_key := herald.prepare_watch("table");
    IF restate IS NOT TRUE AND herald.is_restated(watch_key)
       AND nullif(visible, '"everybody"') IS DISTINCT FROM nullif(nullif((herald.wish_of("table", watch_key) ->> 'visible')::jsonb, 'null'), '"everybody"') THEN
        RAISE EXCEPTION 'herald: who may see older rows of % is what its watch says now, by restate; another visible would be for those, too', "table"
            USING ERRCODE = '55000', HINT = 'If it shall: restate => true. If not: herald.unwatch() first; then nobody is shown them.';
    END IF;
    capture := format('herald.%I(%L)', 'capture_' || watch_key,
        json_build_object('channel', channel, 'columns', columns, 'exclude', exclude, 'key_columns', key_columns, 'mode', mode,
                          'max_bytes', max_bytes, 'always', always, 'numbers', numbers, 'keep', keep, 'visible', visible, 'claims', claims,
                          'snapshot', snapshot, 'max_snapshot', max_snapshot, 'restate', restate));
    PERFORM herald.drop_triggers("table");
    FOR trg IN
        SELECT v.name || CASE WHEN v.of_mode = 'row' AND c.relkind = 'p' THEN '_' || watch_key ELSE '' END AS name, v.event, v.kind
          FROM (VALUES
            -- Parts of a partitioned table get it, too, under its name, and may have one of their own.
            ('row',       '!herald_row',      'INSERT OR UPDATE OR DELETE', 'FOR EACH ROW'),
            ('statement', '!herald_insert',   'INSERT', 'REFERENCING NEW TABLE AS n FOR EACH STATEMENT'),
            ('statement', '!herald_update',   'UPDATE', 'REFERENCING NEW TABLE AS n OLD TABLE AS o FOR EACH STATEMENT'),
            ('statement', '!herald_delete',   'DELETE', 'REFERENCING OLD TABLE AS o FOR EACH STATEMENT'),
            (NULL,        '!herald_truncate', 'TRUNCATE', 'FOR EACH STATEMENT')) v(of_mode, name, event, kind)
          JOIN pg_class c ON c.oid = "table"
         WHERE coalesce(v.of_mode, mode) = mode
    LOOP
        EXECUTE format('CREATE TRIGGER %I AFTER %s ON %s %s EXECUTE FUNCTION %s', trg.name, trg.event, "table", trg.kind, capture);
        IF always THEN
            EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER %I', "table", trg.name);
        END IF;
    END LOOP;
    PERFORM herald.add_part_triggers("table");
    PERFORM herald.generate_capture("table");
    IF snapshot THEN
        PERFORM herald.grant_rows("table", columns IS NULL AND exclude = '{}');
    ELSE
        PERFORM herald.revoke_rows("table");
    END IF;
    SELECT * INTO made FROM herald.watch x WHERE x.relation = "table";
    RAISE NOTICE 'herald: changes of % are announced on the channel %, with the columns %', "table", made.channel,
        array_to_string(ARRAY(SELECT quote_ident(c) FROM unnest(made.columns) c), ', ');
    IF replaced IS NOT NULL THEN
        RAISE NOTICE 'herald: this replaces the watch of % on the channel %', "table", replaced;
    END IF;
    PERFORM herald.tell("table", ARRAY['rule_missing', 'rule_inactive', CASE WHEN key_columns IS NULL THEN 'key_missing' END,
                                             'column_virtual', 'part_apart', 'part_foreign', 'child_missed', 'trigger_rows']);
END
$$;
COMMENT ON FUNCTION herald.watch(regclass, text, text[], text[], text[], text, int, boolean, text, text[],
                                 jsonb, text[], boolean, int, boolean) IS
'Announces the changes of a table, which the caller must own. Calling it again replaces the settings.
channel: a name, or a template with columns in braces, orders/{customer_id}; a NULL in it: no event; default schema.table.
columns: what is announced, default all (added ones too, after a refresh); exclude: never announced; both follow renames.
key_columns: what is announced of a row over max_bytes (both rows together, for an UPDATE), default the primary key as far as it is
announced. Without a key that is an empty object. Such events carry data.truncated_to_key = true, and the reason as data.reduced.
mode: row; or statement for tables that are loaded in bulk (refused where it would miss or reorder changes).
always: also for rows that logical replication applies. numbers: text prints bigint and numeric as strings, because a browser
has 53 bits; native prints them as Postgres does. keep: columns that the server stores beside an event, and shows nobody.
visible: which of those who may join the channel are shown a row: default all, and a table (or part) with row level security is refused
without a word. A filter over announced and kept columns, whose values may be those of whoever looks:
{"owner_id": {"eq": {"identity": "row_id", "dbo_id": 12}}}, {"org": {"eq": {"identity": "extras.org"}}}; ''"everybody"'': all, and that is
meant; ''"policy"'': who a SELECT would show it, under the table''s policies; {"function": "app.may(json,json)"}: to whom that function says true, of
the row and the claims. These two are asked of Postgres, for each group of clients whose role and claims are equal; claims says which claims tell
groups apart, and are passed on. A filter costs far less. Renamed columns stay those that it names; while it cannot be judged (a column is gone or of another type) nobody is shown rows. A
row that was captured before needs both: visible of then and of now; restate: of now alone.
snapshot: clients may ask for the rows that are there, max_snapshot at most; needs an announced key. herald_reader is granted SELECT on what is
captured, and a policy that shows it all rows.
An UPDATE that changes no announced column is no event. TRUNCATE is one; TRUNCATE, DETACH or DROP of one partition is not: whoever has rows of
the table is told to read them anew.';

-- The same for who changes one setting of many: what he does not name stays. It is for people, and a mistake shall not show more than before: so
-- that has to be said. The names in a wish may be of yesterday, and only the owner of our tables can tell what they mean now.
CREATE FUNCTION herald.settings_of(relation regclass) RETURNS jsonb
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    w       herald.watch;
    wish    json;
    visible jsonb;
BEGIN
    SELECT * INTO w FROM herald.watch x WHERE x.relation = settings_of.relation AND herald.is_watched(x.relation);
    wish := herald.wish_of(w.relation, w.key);
    IF wish IS NULL THEN
        RETURN NULL;
    END IF;
    w := herald.bind_wish(w, wish);
    visible := nullif((wish -> 'visible')::jsonb, 'null');
    -- As visible_today() has it: what names a column that is gone, or two that are one now, shows nobody a row.
    IF jsonb_typeof(visible) = 'object' AND NOT herald.is_judged(visible) THEN
        IF EXISTS (SELECT FROM herald.filter_columns(visible) f HAVING count(*) <> count(DISTINCT herald.name_today(w, f))) THEN
            visible := '"nobody"';
        ELSE
            visible := herald.filter_today(w, visible);
        END IF;
    END IF;
    RETURN wish::jsonb || jsonb_build_object(
        'channel', (SELECT string_agg(concat(p.literal, '{' || coalesce(herald.name_today(w, p.col), p.col) || '}'), '' ORDER BY p.nth) FROM herald.template_parts(wish ->> 'channel') p),
        'columns', array_remove(herald.names_today(w, wish -> 'columns'), NULL), 'exclude', array_remove(herald.names_today(w, wish -> 'exclude'), NULL),
        'key_columns', nullif(array_remove(herald.names_today(w, wish -> 'key_columns'), NULL), '{}'), 'keep', array_remove(herald.names_today(w, wish -> 'keep'), NULL),
        'visible', visible);
END
$$;
COMMENT ON FUNCTION herald.settings_of(regclass) IS
'Internal, for set_watch(): what watch() was told of a table, under today''s names; columns that are gone are left out of lists. NULL: it is not watched.';

CREATE FUNCTION herald.would_show(relation regclass, old jsonb, new_ jsonb) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    WITH setting AS (
        SELECT s.is_new, nullif(s.tree -> 'columns', 'null') AS columns, ARRAY(SELECT jsonb_array_elements_text(s.tree -> 'exclude')) AS exclude,
               nullif(nullif(s.tree -> 'visible', 'null'), '"everybody"') AS visible, nullif(s.tree -> 'claims', 'null') AS claims, nullif(s.tree -> 'key_columns', 'null') AS keys,
               coalesce(s.tree ->> 'channel', w.channel) AS channel,
               coalesce((s.tree ->> 'snapshot')::boolean, false) AS snapshot, coalesce((s.tree ->> 'always')::boolean, false) AS always,
               coalesce((s.tree ->> 'restate')::boolean, false) AS restate
          FROM (VALUES (false, old), (true, new_)) s(is_new, tree), herald.watch w WHERE w.relation = would_show.relation AND old IS NOT NULL
    ), shown AS (
        SELECT s.is_new, c.name, c.num FROM setting s CROSS JOIN herald.columns_of(relation) c WHERE (s.columns IS NULL OR s.columns ? c.name) AND NOT c.name = ANY (s.exclude)
    )
    SELECT string_agg(x.what, '; ' ORDER BY x.nth)
      FROM (SELECT 1 AS nth, 'also the columns ' || string_agg(quote_ident(n.name), ', ' ORDER BY n.num) AS what
              FROM shown n WHERE n.is_new AND NOT EXISTS (SELECT FROM shown o WHERE NOT o.is_new AND o.name = n.name)
            UNION ALL
            SELECT 2, 'columns that come later' FROM setting o, setting n WHERE NOT o.is_new AND n.is_new AND o.columns IS NOT NULL AND n.columns IS NULL
            UNION ALL
            SELECT 3, format('its rows to others than it does, which is said by visible %s%s', o.visible, ' and claims ' || o.claims::text)
              FROM setting o, setting n
             WHERE NOT o.is_new AND n.is_new AND o.visible IS NOT NULL AND (n.visible IS DISTINCT FROM o.visible OR n.claims IS DISTINCT FROM o.claims)
            UNION ALL
            SELECT 4, format('of a row that is too large the primary key, instead of %s', (SELECT string_agg(quote_ident(k), ', ') FROM jsonb_array_elements_text(o.keys) k))
              FROM setting o, setting n WHERE NOT o.is_new AND n.is_new AND o.keys IS NOT NULL AND n.keys IS NULL
            UNION ALL
            -- Which of two channels has more members, today or tomorrow, their rules and functions say: another one is other people.
            SELECT 5, format('its rows to who may join the channel %s, instead of %s', n.channel, o.channel) FROM setting o, setting n WHERE NOT o.is_new AND n.is_new AND n.channel <> o.channel
            UNION ALL
            SELECT 6, 'the rows that are there, whether they change or not (snapshot)' FROM setting o, setting n WHERE NOT o.is_new AND n.is_new AND n.snapshot AND NOT o.snapshot
            UNION ALL
            SELECT 7, 'also what logical replication applies (always)' FROM setting o, setting n WHERE NOT o.is_new AND n.is_new AND n.always AND NOT o.always
            UNION ALL
            SELECT 8, 'rows of before to others than was said then (restate)' FROM setting o, setting n WHERE NOT o.is_new AND n.is_new AND n.restate AND NOT o.restate) x
$$;
COMMENT ON FUNCTION herald.would_show(regclass, jsonb, jsonb) IS
'Internal, for set_watch(): what would be shown of a table under new settings and is not under the old ones, in words, or NULL; of a new watch (old NULL) nothing. How many rows
or bytes at a time is no matter of who sees them, so max_bytes and max_snapshot are not among it.';

CREATE FUNCTION herald.set_watch("table" regclass, channel text DEFAULT NULL, columns text[] DEFAULT NULL, exclude text[] DEFAULT NULL,
                                 key_columns text[] DEFAULT NULL, mode text DEFAULT NULL, max_bytes int DEFAULT NULL,
                                 always boolean DEFAULT NULL, numbers text DEFAULT NULL, keep text[] DEFAULT NULL, visible jsonb DEFAULT NULL,
                                 claims text[] DEFAULT NULL, snapshot boolean DEFAULT NULL, max_snapshot int DEFAULT NULL,
                                 restate boolean DEFAULT NULL, replace boolean DEFAULT false) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_variable
DECLARE
    old   jsonb := herald.settings_of("table");
    new_  jsonb;
    more  text;
BEGIN
    -- Who makes or changes it at the same time is waited for: what he sets is not lost, nor widened unseen. watch() takes the same locks.
    -- Who does not own the table is refused there, in better words.
    IF old IS NOT NULL OR (SELECT pg_has_role(c.relowner, 'USAGE') FROM pg_class c WHERE c.oid = "table") THEN
        EXECUTE format('LOCK TABLE %s IN %s MODE', "table", CASE WHEN old IS NULL THEN 'SHARE ROW EXCLUSIVE' ELSE 'ACCESS EXCLUSIVE' END);
        old := herald.settings_of("table");
    END IF;
    -- What is NULL was not named; a null inside of visible was.
    SELECT coalesce(old, '{}') || coalesce(jsonb_object_agg(m.key, m.value) FILTER (WHERE m.value <> 'null'), '{}') INTO new_ FROM jsonb_each(jsonb_build_object(
        'channel', channel, 'columns', columns, 'exclude', exclude, 'key_columns', key_columns, 'mode', mode, 'max_bytes', max_bytes, 'always', always,
        'numbers', numbers, 'keep', keep, 'visible', visible, 'snapshot', snapshot, 'max_snapshot', max_snapshot)) m;
    -- An empty list of columns would be nothing at all, and a list of none as key is not one.
    new_ := new_ || CASE WHEN columns = '{*}' THEN '{"columns":null}' ELSE '{}' END::jsonb || CASE WHEN key_columns = '{}' THEN '{"key_columns":null}' ELSE '{}' END::jsonb
        -- Claims are of the visible that they stand beside; older rows are shown anew only to whom that was said.
        || jsonb_build_object('claims', CASE WHEN claims IS NOT NULL THEN to_jsonb(claims) WHEN herald.is_judged(new_ -> 'visible') THEN new_ -> 'claims' END,
                              'restate', coalesce(restate, (old ->> 'restate')::boolean AND new_ -> 'visible' IS NOT DISTINCT FROM old -> 'visible'));
    IF old ->> 'visible' = 'nobody' AND new_ -> 'visible' = old -> 'visible' THEN
        RAISE EXCEPTION 'herald: visible of % names a column that is gone, so nobody is shown its rows', "table"
            USING ERRCODE = '42703', HINT = 'Say visible anew, and replace => true (pgherald watch --visible … --replace).';
    END IF;
    more := CASE WHEN replace IS NOT TRUE THEN herald.would_show("table", old, new_) END;
    IF more IS NOT NULL THEN
        RAISE EXCEPTION 'herald: the watch of % would show %', "table", more
            USING ERRCODE = '55000', HINT = 'If that is meant, say so: replace => true (pgherald watch --replace). What is not named stays as it is.';
    END IF;
    PERFORM herald.watch("table", channel => new_ ->> 'channel', columns => herald.list_in(new_ -> 'columns'), exclude => herald.list_in(new_ -> 'exclude'),
        key_columns => herald.list_in(new_ -> 'key_columns'), mode => coalesce(new_ ->> 'mode', 'row'), max_bytes => coalesce((new_ ->> 'max_bytes')::int, 1048576),
        always => (new_ ->> 'always')::boolean, numbers => coalesce(new_ ->> 'numbers', 'text'), keep => herald.list_in(new_ -> 'keep'), visible => new_ -> 'visible',
        claims => herald.list_in(new_ -> 'claims'), snapshot => (new_ ->> 'snapshot')::boolean, max_snapshot => coalesce((new_ ->> 'max_snapshot')::int, 10000),
        restate => (new_ ->> 'restate')::boolean);
END
$$;
COMMENT ON FUNCTION herald.set_watch(regclass, text, text[], text[], text[], text, int, boolean, text, text[],
                                     jsonb, text[], boolean, int, boolean, boolean) IS
'Makes or changes the watch of a table: arguments that are left out (NULL) keep what is, and a new watch starts from the defaults of watch(), which
says what they mean. columns => ''{*}'' are all, key_columns => ''{}'' is the primary key. What would show more than before is refused (SQLSTATE 55000,
which says what) unless replace is true: more columns, also those that come later; rows to others (another visible, other claims, another channel), rows
that are there (snapshot), rows that replication applies (always), rows of before (restate); the primary key instead of key_columns.';

CREATE FUNCTION herald.list_in(list jsonb) RETURNS text[]
LANGUAGE sql IMMUTABLE STRICT SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE WHEN jsonb_typeof(list) = 'array' THEN ARRAY(SELECT x.name FROM jsonb_array_elements_text(list) WITH ORDINALITY x(name, nth) ORDER BY x.nth) END
$$;
COMMENT ON FUNCTION herald.list_in(jsonb) IS 'Internal: a JSON array as an array; NULL if it is none.';

-- Whose is it: the catalogs tell, which everybody may read. The trigger that has the wish as its argument is the table's own. By indexes, from this
-- table on: it must not cost more where many tables are watched.
CREATE FUNCTION herald.is_truncate_trigger(function oid, type smallint) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT type & 32 = 32 AND EXISTS (SELECT FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
                                       WHERE p.oid = function AND n.nspname = 'herald' AND starts_with(p.proname::text, 'capture_'))
$$;
COMMENT ON FUNCTION herald.is_truncate_trigger(oid, smallint) IS 'Internal: whether a trigger of this function and pg_trigger.tgtype tells of a TRUNCATE, and is ours.';

CREATE FUNCTION herald.add_part_triggers(relation regclass) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    missing record;
BEGIN
    FOR missing IN
        WITH RECURSIVE part(oid, tgfoid) AS (
            SELECT c.oid, t.tgfoid FROM pg_class c JOIN pg_trigger t ON t.tgrelid = c.oid
             WHERE c.oid = relation AND c.relkind = 'p' AND herald.is_truncate_trigger(t.tgfoid, t.tgtype) AND t.tgnargs = 1
            UNION
            SELECT i.inhrelid, p.tgfoid FROM part p JOIN pg_inherits i ON i.inhparent = p.oid
             WHERE NOT EXISTS (SELECT FROM pg_trigger o WHERE o.tgrelid = i.inhrelid AND herald.is_truncate_trigger(o.tgfoid, o.tgtype) AND o.tgnargs = 1)
        )
        SELECT p.oid::regclass AS part, f.proname FROM part p JOIN pg_proc f ON f.oid = p.tgfoid JOIN pg_class c ON c.oid = p.oid
         WHERE p.oid <> relation AND NOT EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = p.oid AND t.tgfoid = p.tgfoid AND t.tgtype & 32 = 32)
           -- Before 16 a foreign table can have none.
           AND (c.relkind <> 'f' OR current_setting('server_version_num')::int >= 160000)
         ORDER BY p.oid
    LOOP
        BEGIN
            EXECUTE format('CREATE TRIGGER %I AFTER TRUNCATE ON %s FOR EACH STATEMENT EXECUTE FUNCTION herald.%I()',
                           replace(missing.proname, 'capture_', '!herald_part_'), missing.part, missing.proname);
        EXCEPTION WHEN insufficient_privilege THEN
            RAISE WARNING 'herald: who has rows of % will not be told if its part % is truncated for itself: %', relation, missing.part, SQLERRM
                USING HINT = 'Let somebody who may create triggers there, and use schema herald, call herald.watch() again; or truncate the whole table.';
        END;
    END LOOP;
END
$$;
COMMENT ON FUNCTION herald.add_part_triggers(regclass) IS
'Internal, with the caller''s rights: to the parts of a watched table that have none, the trigger that tells of a TRUNCATE.';

CREATE FUNCTION herald.drop_triggers(relation regclass) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    ours record;
BEGIN
    FOR ours IN
        WITH own AS (
            SELECT t.tgname, t.tgrelid, t.tgfoid, t.tgnargs FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid JOIN pg_namespace n ON n.oid = p.pronamespace
             WHERE t.tgrelid = relation AND n.nspname = 'herald' AND starts_with(p.proname::text, 'capture_') AND t.tgparentid = 0 AND NOT t.tgisinternal
               AND NOT starts_with(t.tgname::text, '!herald_part_')
        )
        SELECT o.tgname, o.tgrelid::regclass AS place FROM own o
        UNION
        -- Wherever they are now: a part may have left.
        SELECT t.tgname, t.tgrelid::regclass FROM own o
          JOIN pg_depend d ON d.refclassid = 'pg_proc'::regclass AND d.refobjid = o.tgfoid AND d.classid = 'pg_trigger'::regclass
          JOIN pg_trigger t ON t.oid = d.objid AND starts_with(t.tgname::text, '!herald_part_')
         WHERE o.tgnargs = 1
    LOOP
        EXECUTE format('DROP TRIGGER %I ON %s', ours.tgname, ours.place);
    END LOOP;
END
$$;
COMMENT ON FUNCTION herald.drop_triggers(regclass) IS 'Internal: drops our triggers of a table and its parts with the caller''s rights.';

CREATE FUNCTION herald.unwatch("table" regclass) RETURNS boolean
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NOT herald.is_watched("table") THEN
        RAISE NOTICE 'herald: % is not watched', "table";
        RETURN false;
    END IF;
    EXECUTE format('LOCK TABLE %s IN ACCESS EXCLUSIVE MODE', "table");
    PERFORM herald.drop_triggers("table");
    PERFORM herald.revoke_rows("table");
    PERFORM herald.clean_watches("table");
    RETURN true;
END
$$;
COMMENT ON FUNCTION herald.unwatch(regclass) IS
'Stops announcing a table, which the caller must own. Its log stays. False, and a NOTICE: it was not watched.';

CREATE FUNCTION herald.is_restated(watch_key text) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT EXISTS (SELECT FROM herald.shape s WHERE s.watch = watch_key AND s.restated)
$$;
COMMENT ON FUNCTION herald.is_restated(text) IS 'Internal: whether older rows of a watch are judged by what it says now alone.';

-- Without the lock of tell_servers(): who alters a table and does not commit would hold up whoever alters another.
CREATE FUNCTION herald.ring_servers() RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF herald.doorbell_obstacle() IS NULL AND pg_notification_queue_usage() < 0.5 THEN
        NOTIFY herald, 'site';
    END IF;
END
$$;
COMMENT ON FUNCTION herald.ring_servers() IS 'Internal: tells servers that a watch changed, if this session may. They look for themselves, too, but later.';

-- Trigger functions that no trigger uses. A function in use cannot be dropped, so nothing can be lost here.
CREATE FUNCTION herald.clean_watches(relation oid DEFAULT NULL) RETURNS int
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    n_cleaned int := 0;
    idle      record;
BEGIN
    FOR idle IN
        SELECT w.relation, w.key FROM herald.watch w
         WHERE w.relation = coalesce(clean_watches.relation, w.relation)
           AND NOT EXISTS (SELECT FROM pg_trigger t WHERE t.tgfoid = to_regprocedure(format('herald.%I()', 'capture_' || w.key)))
           FOR UPDATE SKIP LOCKED
    LOOP
        EXECUTE format('DROP FUNCTION IF EXISTS herald.%I()', 'capture_' || idle.key);
        DELETE FROM herald.watch w WHERE w.relation = idle.relation;
        DELETE FROM herald.watch_count c WHERE c.key = idle.key;
        UPDATE herald.shape s SET retired_by = pg_current_xact_id(), retired_at = now() WHERE s.watch = idle.key AND s.retired_by IS NULL;
        n_cleaned := n_cleaned + 1;
    END LOOP;
    IF n_cleaned > 0 THEN
        INSERT INTO herald.outbox (action) VALUES ('a');
        PERFORM herald.ring_servers();
    END IF;
    RETURN n_cleaned;
END
$$;
COMMENT ON FUNCTION herald.clean_watches(oid) IS 'Internal: removes trigger functions that no trigger uses: a table''s, or all (NULL).';

CREATE FUNCTION herald.follow(relation regclass, is_forced boolean) RETURNS text
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    old_looks text := (SELECT w.looks FROM herald.watch w WHERE w.relation = follow.relation);
    obstacle  text;
BEGIN
    PERFORM herald.generate_capture(relation, is_forced);
    PERFORM herald.tell(follow.relation, '{part_apart,child_missed}') FROM herald.watch w WHERE w.relation = follow.relation AND w.looks <> old_looks;
    obstacle := herald.statement_mode_obstacle(relation);
    IF obstacle IS NOT NULL AND (SELECT w.mode = 'statement' FROM herald.watch w WHERE w.relation = follow.relation) THEN
        RAISE WARNING 'herald: mode statement may now miss or reorder changes of %: %', relation, obstacle
            USING HINT = 'Call herald.watch() again with mode => ''row''.';
    END IF;
    RETURN NULL;
EXCEPTION WHEN OTHERS THEN
    RETURN SQLERRM;
END
$$;
COMMENT ON FUNCTION herald.follow(regclass, boolean) IS 'Internal: generate_capture(), and why it could not, instead of an error.';

CREATE FUNCTION herald.refresh() RETURNS int
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    n_failed int := 0;
    problem  text;
    watched  regclass;
BEGIN
    PERFORM herald.clean_watches();
    FOR watched IN SELECT w.relation FROM herald.watch w ORDER BY w.relation::oid LOOP
        problem := herald.follow(watched, true);
        IF problem IS NOT NULL THEN
            n_failed := n_failed + 1;
            RAISE WARNING 'herald: could not refresh the watch of %: %', watched, problem;
        END IF;
    END LOOP;
    RETURN n_failed;
END
$$;
COMMENT ON FUNCTION herald.refresh() IS
'Writes all trigger functions anew, after columns were added, dropped, renamed or retyped. Needed in migrations where the event
triggers could not be installed and no server runs. Returns how many tables it could not do, each with a WARNING. It waits for
nobody, and only what it changed is locked until the end of the transaction.';

CREATE FUNCTION herald.stale_watches(after oid DEFAULT 0) RETURNS SETOF regclass
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT w.relation FROM herald.watch w
     WHERE w.relation::oid > after AND w.looks IS DISTINCT FROM herald.looks_of(w.relation) AND herald.is_watched(w.relation)
     ORDER BY w.relation::oid
$$;
COMMENT ON FUNCTION herald.stale_watches(oid) IS 'Internal: the watched tables that changed since their trigger functions were written.';

CREATE FUNCTION herald.refresh_stale(after oid DEFAULT 0) RETURNS TABLE (id oid, "table" text, problem text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '100ms' AS $$
BEGIN
    IF after = 0 THEN
        PERFORM herald.clean_watches();
    END IF;
    SELECT s, s::text INTO id, "table" FROM herald.stale_watches(after) s LIMIT 1;
    IF FOUND THEN
        problem := herald.follow(id::regclass, false);
        RETURN NEXT;
    END IF;
END
$$;
COMMENT ON FUNCTION herald.refresh_stale(oid) IS
'For the server: writes the trigger function of the first table above an oid that changed since, in a transaction of its own, and
says which it was and why it could not. No row: none is stale. It waits for nobody.';

CREATE VIEW herald.watches AS
    SELECT w.relation AS "table", w.channel, w.columns, w.mode,
           NOT EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = w.relation AND t.tgenabled IN ('D', 'R')
                          AND t.tgfoid = to_regprocedure(format('herald.%I()', 'capture_' || w.key))) AS enabled,
           w.looks IS DISTINCT FROM herald.looks_of(w.relation) AS stale, w.visible, w.snapshot, w.max_snapshot, coalesce(c.reduced, 0) AS reduced, coalesce(c.skipped, 0) AS skipped
      FROM herald.watch w
      LEFT JOIN (SELECT x.key, sum(x.reduced)::bigint AS reduced, sum(x.skipped)::bigint AS skipped FROM herald.watch_count x GROUP BY x.key) c ON c.key = w.key
     WHERE herald.is_watched(w.relation);
COMMENT ON VIEW herald.watches IS 'The watched tables.';
COMMENT ON COLUMN herald.watches."table" IS 'The table';
COMMENT ON COLUMN herald.watches.channel IS 'The channel, or the template with columns in braces, under today''s names';
COMMENT ON COLUMN herald.watches.columns IS 'What is announced of a row';
COMMENT ON COLUMN herald.watches.mode IS 'row or statement';
COMMENT ON COLUMN herald.watches.enabled IS 'False: somebody disabled a trigger of it (ALTER TABLE … DISABLE TRIGGER)';
COMMENT ON COLUMN herald.watches.stale IS
'True: the table was altered and the trigger function not yet written anew, so that events may come by key only; herald.refresh()';
COMMENT ON COLUMN herald.watches.visible IS
'Which of those who may join are shown a row: a filter, under today''s names; "nobody": see watch(); NULL: all';
COMMENT ON COLUMN herald.watches.snapshot IS 'Whether clients may ask for the rows that are there';
COMMENT ON COLUMN herald.watches.max_snapshot IS 'How many of them at most';
COMMENT ON COLUMN herald.watches.reduced IS 'Changes that came by key only, or with a value as plain text; herald.watch_count says why';
COMMENT ON COLUMN herald.watches.skipped IS 'Changes that were not announced at all, for instance because the name of their channel would be over 255 bytes';

-- By name: in a dump that was restored the columns may have other numbers.
CREATE FUNCTION herald.row_types() RETURNS TABLE (shape bigint, description json, not_null text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT s.number, s.description,
           (SELECT string_agg(coalesce(a.attnotnull OR t.typnotnull, false)::int::text, '' ORDER BY c.nth)
              FROM json_array_elements(s.description -> 'columns') WITH ORDINALITY c(col, nth)
              LEFT JOIN pg_attribute a ON a.attrelid = w.relation AND a.attname::text = c.col ->> 'name' AND NOT a.attisdropped
              LEFT JOIN pg_type t ON t.oid = a.atttypid)
      FROM herald.watch w JOIN herald.shape s ON s.watch = w.key AND s.retired_by IS NULL
     WHERE herald.is_watched(w.relation)
     ORDER BY s.description ->> 'schema' COLLATE "C", s.description ->> 'table' COLLATE "C"
$$;
COMMENT ON FUNCTION herald.row_types() IS
'For pgherald types: the shapes of the watched tables, see herald.shape, and for each of their columns 1: it cannot be NULL, or 0.';

CREATE FUNCTION herald.count_events(keys text[], reasons text[], reduced bigint[], skipped bigint[]) RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    INSERT INTO herald.watch_count AS c (key, reason, reduced, skipped)
    SELECT x.key, x.reason, sum(x.reduced), sum(x.skipped) FROM unnest(keys, reasons, reduced, skipped) x(key, reason, reduced, skipped)
     WHERE x.key = '' OR EXISTS (SELECT FROM herald.watch w WHERE w.key = x.key)
     GROUP BY x.key, x.reason ORDER BY x.key, x.reason
        ON CONFLICT (key, reason) DO UPDATE SET reduced = c.reduced + EXCLUDED.reduced, skipped = c.skipped + EXCLUDED.skipped
$$;
COMMENT ON FUNCTION herald.count_events(text[], text[], bigint[], bigint[]) IS
'For the server: adds to herald.watch_count: keys of watches (empty: unknown), reasons, how many were reduced and skipped.';

CREATE FUNCTION herald.follows_ddl() RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT count(*) = 3 FROM pg_event_trigger e JOIN pg_proc p ON p.oid = e.evtfoid JOIN pg_namespace n ON n.oid = p.pronamespace
     WHERE n.nspname = 'herald' AND p.proname IN ('on_ddl', 'on_owner_ddl', 'on_drop') AND e.evtenabled IN ('O', 'A')
$$;
COMMENT ON FUNCTION herald.follows_ddl() IS
'Whether ALTER TABLE itself writes trigger functions anew. False: the event triggers could not be created, or are disabled.';

-- ----------------------------------------------------------------------------------------------- event triggers

CREATE FUNCTION herald.follow_ddl(tag text, touched oid[]) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    watched regclass;
    problem text;
BEGIN
    FOREACH watched IN ARRAY touched LOOP
        problem := herald.follow(watched, false);
        IF problem IS NOT NULL THEN
            RAISE WARNING 'herald: % changed a table that is watched, %, and its trigger function could not follow: %', tag, watched, problem
                USING HINT = 'A running server tries again every few seconds; otherwise call herald.refresh().';
        END IF;
    END LOOP;
END
$$;
COMMENT ON FUNCTION herald.follow_ddl(text, oid[]) IS 'Internal: writes trigger functions anew, and warns of those that it could not.';

-- The planner takes the walk for a thousand times longer than it is, and would compile it: 40 ms for each CREATE TABLE.
CREATE FUNCTION herald.on_ddl() RETURNS event_trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off AS $$
DECLARE
    touched oid[];
BEGIN
    IF TG_TAG = 'ALTER SCHEMA' THEN
        touched := ARRAY(SELECT s FROM herald.stale_watches() s);
    ELSE
        touched := ARRAY(
            WITH RECURSIVE touched(classid, objid) AS (
                SELECT CASE WHEN t.oid IS NULL AND y.oid IS NULL THEN d.classid ELSE 'pg_class'::regclass END, coalesce(t.tgrelid, y.polrelid, d.objid)
                  FROM pg_event_trigger_ddl_commands() d
                  LEFT JOIN pg_trigger t ON d.classid = 'pg_trigger'::regclass AND t.oid = d.objid
                  LEFT JOIN pg_policy y ON d.classid = 'pg_policy'::regclass AND y.oid = d.objid
                 WHERE y.oid IS NOT NULL OR d.classid IN ('pg_class'::regclass, 'pg_type'::regclass) OR NOT starts_with(t.tgname::text, '!herald_')
                UNION
                SELECT below.classid, below.objid FROM touched p
                 CROSS JOIN LATERAL (
                     SELECT 'pg_class'::regclass AS classid, i.inhparent AS objid FROM pg_inherits i WHERE p.classid = 'pg_class'::regclass AND i.inhrelid = p.objid
                     UNION ALL
                     SELECT 'pg_class'::regclass, i.inhrelid FROM pg_inherits i WHERE p.classid = 'pg_class'::regclass AND i.inhparent = p.objid
                     UNION ALL -- what is made of its row type: arrays, domains, columns of other tables and composites
                     SELECT 'pg_type'::regclass, c.reltype FROM pg_class c WHERE p.classid = 'pg_class'::regclass AND c.oid = p.objid AND c.reltype <> 0
                     UNION ALL
                     SELECT d.classid, d.objid FROM pg_depend d
                      WHERE p.classid = 'pg_type'::regclass AND d.refclassid = p.classid AND d.refobjid = p.objid AND d.classid IN ('pg_class'::regclass, 'pg_type'::regclass)) below
            )
            SELECT w.relation FROM touched p JOIN herald.watch w ON w.relation = p.objid WHERE p.classid = 'pg_class'::regclass);
    END IF;
    IF TG_TAG = 'CREATE TRIGGER' THEN
        PERFORM herald.tell(t.oid, '{trigger_rows}') FROM unnest(touched) t(oid);
    END IF;
    PERFORM herald.follow_ddl(TG_TAG, touched);
EXCEPTION WHEN OTHERS THEN
    RAISE WARNING 'herald: could not follow %: %', TG_TAG, SQLERRM USING HINT = 'Call herald.refresh() when it is mended.';
END
$$;
COMMENT ON FUNCTION herald.on_ddl() IS 'Event trigger: writes the trigger functions of altered tables anew.';

-- Not as herald_owner: only who owns a table may do this. Most who create or alter tables know nothing of us and may not even use the schema; so it
-- is found out from the catalogs whether it concerns us.
CREATE FUNCTION herald.on_owner_ddl() RETURNS event_trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET jit = off AS $$
DECLARE
    reader  oid := to_regrole('herald_reader');
    touched regclass;
BEGIN
    FOR touched IN
        WITH RECURSIVE whole(oid) AS (
            SELECT d.objid FROM pg_event_trigger_ddl_commands() d JOIN pg_class c ON c.oid = d.objid
             WHERE d.classid = 'pg_class'::regclass AND (c.relkind = 'p' OR c.relispartition)
            UNION
            SELECT i.inhparent FROM whole w JOIN pg_inherits i ON i.inhrelid = w.oid
        )
        SELECT w.oid FROM whole w JOIN pg_class c ON c.oid = w.oid
         WHERE c.relkind = 'p' AND EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = w.oid AND t.tgname = '!herald_truncate')
    LOOP
        PERFORM herald.add_part_triggers(touched);
    END LOOP;
    FOR touched IN
        SELECT DISTINCT d.objid FROM pg_event_trigger_ddl_commands() d
          JOIN pg_attribute a ON a.attrelid = d.objid AND a.attacl IS NOT NULL CROSS JOIN LATERAL aclexplode(a.attacl) x
         WHERE d.classid = 'pg_class'::regclass AND x.grantee = reader
    LOOP
        PERFORM herald.grant_added_columns(touched);
    END LOOP;
EXCEPTION WHEN OTHERS THEN
    RAISE WARNING 'herald: could not follow % of %: %', TG_TAG, touched, SQLERRM USING HINT = 'Let its owner call herald.watch() again.';
END
$$;
COMMENT ON FUNCTION herald.on_owner_ddl() IS
'Event trigger, with the rights of who alters a table: triggers for parts that came, and what herald_reader needs for columns that came.';

CREATE FUNCTION herald.on_drop() RETURNS event_trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    dropped record;
BEGIN
    FOR dropped IN
        SELECT w.relation, bool_or(d.objsubid = 0) AS is_gone FROM pg_event_trigger_dropped_objects() d JOIN herald.watch w ON w.relation = d.objid
         WHERE d.classid = 'pg_class'::regclass GROUP BY w.relation
    LOOP
        IF dropped.is_gone THEN
            PERFORM herald.clean_watches(dropped.relation);
        ELSE
            -- A column that went with its type, domain, extension or schema: ALTER TABLE did not drop it.
            PERFORM herald.follow_ddl(TG_TAG, ARRAY[dropped.relation::oid]);
        END IF;
    END LOOP;
    -- Of a part that is gone nobody can say any more whose it was.
    IF EXISTS (SELECT FROM pg_event_trigger_dropped_objects() d WHERE d.object_type = 'table' AND NOT d.is_temporary) THEN
        PERFORM herald.follow_ddl(TG_TAG, ARRAY(
            SELECT w.relation::oid FROM herald.watch w JOIN pg_class c ON c.oid = w.relation AND c.relkind = 'p'
             WHERE w.looks IS DISTINCT FROM herald.looks_of(w.relation) AND herald.is_watched(w.relation)));
    END IF;
    PERFORM herald.follow_ddl(TG_TAG, ARRAY(
        SELECT DISTINCT w.relation::oid
          FROM pg_event_trigger_dropped_objects() d JOIN pg_namespace n ON n.nspname = d.address_names[1]
          JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = d.address_names[2] JOIN herald.watch w ON w.relation = c.oid
         WHERE d.object_type = 'policy'));
EXCEPTION WHEN OTHERS THEN
    RAISE WARNING 'herald: could not follow %: %', TG_TAG, SQLERRM USING HINT = 'Call herald.refresh() when it is mended.';
END
$$;
COMMENT ON FUNCTION herald.on_drop() IS 'Event trigger: removes what belonged to dropped tables, follows dropped columns, parts and policies.';

GRANT EXECUTE ON FUNCTION herald.watch(regclass, text, text[], text[], text[], text, int, boolean, text, text[], jsonb, text[], boolean, int, boolean), herald.unwatch(regclass),
    herald.set_watch(regclass, text, text[], text[], text[], text, int, boolean, text, text[], jsonb, text[], boolean, int, boolean, boolean), herald.settings_of(regclass),
    herald.would_show(regclass, jsonb, jsonb), herald.list_in(jsonb), herald.refresh(), herald.check_watch(regclass, text[], text[], text[], text, text, int, boolean, text, text[]),
    herald.prepare_watch(regclass), herald.generate_capture(regclass, boolean), herald.drop_triggers(regclass), herald.add_part_triggers(regclass), herald.is_truncate_trigger(oid, smallint), herald.clean_watches(oid),
    herald.is_watched(oid), herald.tell(regclass, text[]), herald.surprises(regclass), herald.virtual_code(oid, text, text), herald.virtual_bases(oid, int2),
    herald.quoted(text), herald.has_rule(text), herald.covers(text, text), herald.no_rule(text, text), herald.template_prefix(text),
    herald.template_pattern(text), herald.looks_of(oid),
    herald.check_live(regclass, text[], text[], text[], text[], jsonb, text[], boolean, int), herald.guarded_by(oid), herald.columns_of(oid), herald.is_restated(text),
    herald.wish_of(oid, text), herald.is_judged(jsonb), herald.check_visible(jsonb, text[], oid, text[]), herald.check_filter(jsonb, oid, text[]), herald.check_leaf(text, text, text, oid, jsonb),
    herald.check_constant(text, text, oid, jsonb), herald.check_parameter(text, text, jsonb), herald.filter_leaves(jsonb, text, int), herald.filter_error(text, text, text),
    herald.compares(oid, oid), herald.text_order(oid), herald.base_type(oid), herald.json_cast(oid),
    herald.check_template(text), herald.is_short_template(text), herald.template_parts(text), herald.is_channel(text),
    herald.statement_mode_obstacle(oid), herald.written_by_keys(oid[]) TO herald_admin;
GRANT EXECUTE ON FUNCTION herald.refresh_stale(oid), herald.count_events(text[], text[], bigint[], bigint[]), herald.is_watched(oid), herald.looks_of(oid) TO herald_server;
GRANT EXECUTE ON FUNCTION herald.follows_ddl() TO herald_admin, herald_server;
GRANT EXECUTE ON FUNCTION herald.row_types() TO herald_admin;
GRANT SELECT ON herald.watches, herald.watch_count TO herald_admin, herald_server;

INSERT INTO herald.schema_step (step, name) VALUES (6, 'watch');
RESET ROLE;

DO $$
BEGIN
    CREATE EVENT TRIGGER herald_ddl ON ddl_command_end
        WHEN TAG IN ('ALTER TABLE', 'CREATE TABLE', 'CREATE FOREIGN TABLE', 'CREATE SCHEMA', 'CREATE TRIGGER', 'ALTER SCHEMA', 'ALTER TYPE', 'ALTER DOMAIN', 'CREATE POLICY', 'ALTER POLICY')
        EXECUTE FUNCTION herald.on_ddl();
    -- After that one, by its name.
    CREATE EVENT TRIGGER herald_owner ON ddl_command_end WHEN TAG IN ('ALTER TABLE', 'CREATE TABLE', 'CREATE FOREIGN TABLE', 'CREATE SCHEMA')
        EXECUTE FUNCTION herald.on_owner_ddl();
    CREATE EVENT TRIGGER herald_drop ON sql_drop EXECUTE FUNCTION herald.on_drop();
    COMMENT ON EVENT TRIGGER herald_ddl IS 'pgherald: keeps trigger functions in step with altered tables';
    COMMENT ON EVENT TRIGGER herald_owner IS 'pgherald: what only the owner of an altered table may do for it';
    COMMENT ON EVENT TRIGGER herald_drop IS 'pgherald: follows dropped tables and columns';
EXCEPTION WHEN insufficient_privilege THEN
    RAISE NOTICE 'herald: % may not create event triggers, so an ALTER TABLE does not write trigger functions anew', current_user
        USING HINT = 'A running server does it within seconds; events between are reduced to keys. Without one, call herald.refresh() after it.';
END
$$;
