-- SPDX-License-Identifier: PostgreSQL
--
-- What differential.sh and 12_golden.sql share: types of users (literals.js has their literals) and ways to write what a type may
-- refuse to read.

SET client_min_messages = error;
SELECT format('CREATE EXTENSION IF NOT EXISTS %I', name) FROM pg_available_extensions
 WHERE name IN ('hstore', 'citext', 'ltree', 'cube', 'seg', 'intarray', 'isn') ORDER BY name = 'seg', name \gexec
CREATE TYPE d_mood AS ENUM ('', '{', 'a,b', 'glad', 'sa"d');
CREATE TYPE d_pair AS (n bigint, mood d_mood, "a ""mount" numeric);
CREATE TYPE d_nest AS (p d_pair, l int[], "Tëxt" text);
CREATE DOMAIN d_big AS bigint;
CREATE DOMAIN d_word AS text;
CREATE DOMAIN d_bigs AS d_big[];
CREATE DOMAIN d_pairs AS d_pair;
CREATE DOMAIN d_when AS timestamptz;
CREATE TYPE d_mix AS (b bool, d date, t timestamp, z timestamptz, j json, h hstore, r tstzrange, ps d_pair[], y bytea, f float8, i interval);
CREATE TYPE d_deep AS (n d_nest, ns d_nest[]);
CREATE TYPE d_one AS (t text);
CREATE TYPE d_floats AS RANGE (subtype = float8);
CREATE TYPE d_texts AS RANGE (subtype = text, collation = "C");
CREATE TABLE "d Odd" (id int);
RESET client_min_messages;

-- The literal, or NULL if the type does not read it: a draw may make one that is none, and another major may refuse it.
CREATE TABLE d_unread (type text, literal text);
CREATE FUNCTION d_readable(type text, literal text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('SELECT CAST(%L AS %s)', literal, type);
    RETURN literal;
EXCEPTION WHEN others THEN
    INSERT INTO public.d_unread VALUES (type, literal);
    RETURN NULL;
END
$$;
CREATE FUNCTION d_type(tab text, col text) RETURNS text LANGUAGE sql AS $$
    SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = to_regclass('public.' || tab) AND attname = col
$$;
-- Nothing happens where the table is not there, because the server does not have its type.
CREATE FUNCTION d_insert(tab text, id int, v text, a text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF to_regclass('public.' || tab) IS NOT NULL THEN
        EXECUTE format('INSERT INTO public.%I VALUES (%s, %L, %L)', tab, id, public.d_readable(public.d_type(tab, 'v'), v), public.d_readable(public.d_type(tab, 'a'), a));
    END IF;
END
$$;
CREATE FUNCTION d_update(tab text, id_ int, v text, a text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF to_regclass('public.' || tab) IS NOT NULL THEN
        EXECUTE format('UPDATE public.%I SET v = %L, a = %L WHERE id = %s', tab, public.d_readable(public.d_type(tab, 'v'), v), public.d_readable(public.d_type(tab, 'a'), a), id_);
    END IF;
END
$$;
CREATE FUNCTION d_delete(tab text, id_ int) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF to_regclass('public.' || tab) IS NOT NULL THEN
        EXECUTE format('DELETE FROM public.%I WHERE id = %s', tab, id_);
    END IF;
END
$$;

-- Literals and what stands for them in a payload, with numbers as text and native.
CREATE TABLE golden (nth int PRIMARY KEY, type text, literal text, as_text text, as_native text);
CREATE FUNCTION golden_write() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    t record;
    g record;
    n text;
BEGIN
    FOR t IN SELECT type, min(nth) AS first FROM golden WHERE to_regtype(type) IS NOT NULL GROUP BY type ORDER BY 2 LOOP
        FOREACH n IN ARRAY '{text,native}'::text[] LOOP
            EXECUTE format('CREATE TABLE g_%s_%s (id int PRIMARY KEY, v %s)', t.first, n, t.type);
            PERFORM herald.watch(format('g_%s_%s', t.first, n)::regclass, numbers => n);
            FOR g IN SELECT nth, d_readable(type, literal) AS literal FROM golden WHERE type = t.type ORDER BY nth LOOP
                IF g.literal IS NOT NULL THEN
                    EXECUTE format('INSERT INTO g_%s_%s VALUES (%s, %L)', t.first, n, g.nth, g.literal);
                END IF;
            END LOOP;
        END LOOP;
    END LOOP;
END
$$;
-- After the sequencer. By pattern: older servers cannot take apart what has \u0000 in it, and a payload that is not JSON shall be seen.
CREATE VIEW golden_read AS
    SELECT part[1]::int AS nth, max(part[2]) FILTER (WHERE channel LIKE '%\_text') AS as_text, max(part[2]) FILTER (WHERE channel LIKE '%\_native') AS as_native
      FROM (SELECT channel, regexp_match(payload::text, '"new":\{"id":([0-9]+),"v":(.*)\},"old":null') AS part FROM herald.log WHERE channel ~ '^public\.g_') l GROUP BY 1;
