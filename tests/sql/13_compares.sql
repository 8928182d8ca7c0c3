-- SPDX-License-Identifier: PostgreSQL
-- How a shape says that the values of its columns compare, and that this follows what it depends on.
SELECT no_plan();
SET client_min_messages = error;

CREATE FUNCTION pg_temp.compares(table_ text) RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(concat_ws(' ', c ->> 'name', c ->> 'compares', c ->> 'labels'), ', ' ORDER BY nth)
      FROM herald.shape s CROSS JOIN LATERAL json_array_elements(s.description -> 'columns') WITH ORDINALITY x(c, nth)
     WHERE s.description ->> 'table' = table_ AND s.retired_by IS NULL
$$;
CREATE FUNCTION pg_temp.shape(table_ text) RETURNS bigint LANGUAGE sql AS $$
    SELECT s.number FROM herald.shape s WHERE s.description ->> 'table' = table_ AND s.retired_by IS NULL
$$;

CREATE TABLE cmp_plain (b bool, i2 int2, i4 int4, i8 int8, n numeric(10,2), f4 float4, f8 float8, u uuid, d date, t time, ts timestamp, tz timestamptz);
SELECT herald.watch('cmp_plain');
SELECT is(pg_temp.compares('cmp_plain'), 'b bool, i2 int, i4 int, i8 int, n numeric, f4 float4, f8 float8, u uuid, d date, t time, ts timestamp, tz timestamptz', 'built-in types');
CREATE TABLE cmp_none (t timetz, i interval, m money, b bytea, j json, jb jsonb, a int[], r int4range, c "char", o oid, x xml, bi bit(3), ip inet, p point);
SELECT herald.watch('cmp_none');
SELECT is(pg_temp.compares('cmp_none'), 't, i, m, b, j, jb, a, r, c, o, x, bi, ip, p', 'what cannot be compared exactly');

-- Collations. The clusters of the tests have C as their own.
CREATE COLLATION cmp_ordered (provider = icu, locale = 'de');
CREATE COLLATION cmp_loose (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
CREATE TABLE cmp_text (a text, v varchar(9), n name, p char(3), de text COLLATE cmp_ordered, pde char(3) COLLATE cmp_ordered, loose text COLLATE cmp_loose, ploose char(3) COLLATE cmp_loose,
    c text COLLATE "C", posix varchar COLLATE "POSIX", ucs text COLLATE ucs_basic);
SELECT herald.watch('cmp_text');
SELECT is(pg_temp.compares('cmp_text'), 'a text_c, v text_c, n text_c, p char, de text, pde char, loose, ploose, c text_c, posix text_c, ucs text_c', 'texts by their collation');
SELECT pg_temp.shape('cmp_text') AS before \gset
ALTER TABLE cmp_text ALTER COLUMN a TYPE text COLLATE cmp_ordered;
SELECT is(pg_temp.compares('cmp_text'), 'a text, v text_c, n text_c, p char, de text, pde char, loose, ploose, c text_c, posix text_c, ucs text_c', '… when that changes');
SELECT isnt(pg_temp.shape('cmp_text'), :before, '… it is another shape');
-- A server's own collations by their names; the provider that compares bytes is there from 17 on.
SELECT is((SELECT string_agg(DISTINCT herald.text_order(c.oid), ' ') FROM pg_collation c WHERE c.collname = 'pg_c_utf8'),
    CASE WHEN current_setting('server_version_num')::int >= 170000 THEN 'text_c' END, 'pg_c_utf8 compares bytes');
SELECT is(herald.text_order(0), NULL, 'no collation');

-- Enums, domains, both in one.
CREATE TYPE cmp_kind AS ENUM ('late', E'a"b\x01', 'open');
CREATE DOMAIN cmp_age AS int8 CHECK (VALUE > 0);
CREATE DOMAIN cmp_of_kind AS cmp_kind;
CREATE DOMAIN cmp_name AS text COLLATE cmp_ordered;
CREATE TABLE cmp_user (k cmp_kind, ks cmp_kind[], a cmp_age, dk cmp_of_kind, n cmp_name);
SELECT herald.watch('cmp_user');
SELECT is(pg_temp.compares('cmp_user'), 'k enum ["late", "a\"b\u0001", "open"], ks, a int, dk enum ["late", "a\"b\u0001", "open"], n text', 'enums and domains');
ALTER TYPE cmp_kind ADD VALUE 'new' BEFORE 'open';
SELECT is(pg_temp.compares('cmp_user'), 'k enum ["late", "a\"b\u0001", "new", "open"], ks, a int, dk enum ["late", "a\"b\u0001", "new", "open"], n text', '… a label more');
ALTER TYPE cmp_kind RENAME VALUE 'late' TO 'Late';
SELECT matches(pg_temp.compares('cmp_user'), '^k enum \["Late", ', '… a label under another name');
ALTER EVENT TRIGGER herald_ddl DISABLE;
ALTER TYPE cmp_kind ADD VALUE 'last';
SELECT is((SELECT stale FROM herald.watches WHERE "table" = 'cmp_user'::regclass), true, 'without event triggers it is stale');
SELECT is(herald.follow('cmp_user', false), NULL, '… until the server looks');
ALTER EVENT TRIGGER herald_ddl ENABLE;
SELECT matches(pg_temp.compares('cmp_user'), '^k enum \["Late", .* "last"\]', '… and knows it then');
-- Printed by its cast, it is no label.
CREATE FUNCTION cmp_json(cmp_kind) RETURNS json LANGUAGE internal AS 'enum_out';
SELECT is(herald.compares('cmp_kind'::regtype, 0), 'enum', 'an enum');
SELECT lives_ok($$CREATE CAST (cmp_kind AS json) WITH FUNCTION cmp_json(cmp_kind)$$);
GRANT EXECUTE ON FUNCTION cmp_json(cmp_kind) TO herald_capture;
SELECT is(herald.compares('cmp_kind'::regtype, 0), NULL, 'an enum with a C cast to JSON is not compared');
DROP CAST (cmp_kind AS json);
DROP TABLE cmp_plain, cmp_none, cmp_text, cmp_user;
SELECT * FROM finish();
