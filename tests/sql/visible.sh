#!/usr/bin/env bash
# SPDX-License-Identifier: PostgreSQL
#
# What watch() takes as visible, the server's C can judge (src/core/live); the other way round is not needed. Every operator with every
# constant of a list, on a column of each type that can be compared. A filter that only SQL takes would show its rows to nobody.
#
# Before: make build/release/tests/tools/judge (make sql does).

# shellcheck source=tests/sql/cluster.sh
. "$(dirname "${BASH_SOURCE[0]}")/cluster.sh"

judge=$(dirname "$DRAIN")/judge
cluster_start
cluster_install visible
"$bin/psql" -Xq -v ON_ERROR_STOP=1 -d visible >/dev/null <<'SQL'
CREATE TYPE kind AS ENUM ('open', '1', 'infinity', '');
CREATE TABLE t (b bool, i2 int2, i4 int4, i8 int8, n numeric, f4 float4, f8 float8, u uuid, d date, t time, ts timestamp, tz timestamptz, x text COLLATE "C", p char(3), k kind);
SELECT herald.watch('t', keep => '{x}', exclude => '{x}');
CREATE TABLE constant (json jsonb);
INSERT INTO constant SELECT to_jsonb(s) FROM unnest(ARRAY['', ' ', '0', '-0', '1', '-1', '+1', '01', '1.', '.5', '1.5', '1e5', '1E+5', '1e-5', '1e400', '-1e400', '1e-400', '1e39', '1e-50', '1e999999', '1e1000', '1e999', '1_0', '0x1',
    '32767', '32768', '2147483648', '9223372036854775807', '9223372036854775808', '-9223372036854775808', '99999999999999999999999', 'NaN', 'nan', 'Infinity', '-Infinity', 'infinity', '-infinity', '+Infinity', 'inf',
    'true', 'f', 'null', 'now', 'today', 'epoch', 'allballs', 'open', 'gone', 'a%', 'a\', 'a\\', '\', '\\', '\_', '%_%', repeat('_', 64), repeat('_', 65), repeat('x', 70), '%' || repeat('x', 63) || '_%', E'\u00e4', E'a\nb',
    '2024-02-29', '2023-02-29', '2024-2-9', '2024-02-29 BC', '0044-03-15 BC', '0000-01-01', '0001-01-01', '5874897-12-31', '5874898-01-01', '4713-01-01 BC', '4714-11-24 BC', '10000-01-01', '012024-02-29', '20240229', '2024-02-29T',
    '10:30', '10:30:05', '10:30:05.1', '10:30:05.123456', '10:30:05.1234567', '10:60', '10:30:60', '24:00', '24:00:00', '24:00:01', '25:00', '10:30:05Z', '10', '10:30:05.',
    '2024-02-29T10:30', '2024-02-29T10:30:05', '2024-02-29 10:30:05', '2024-02-29t10:30:05', '2024-02-29T24:00:00', '2024-02-30T10:30:05', '0044-03-15T10:30:05 BC', '294276-12-31T23:59:59', '294277-01-01T00:00:00',
    '2024-02-29T10:30Z', '2024-02-29T10:30:05Z', '2024-02-29T10:30:05z', '2024-02-29T10:30:05+05', '2024-02-29T10:30:05+0530', '2024-02-29T10:30:05+05:30', '2024-02-29T10:30:05+05:30:15', '2024-02-29T10:30:05+15:59', '2024-02-29T10:30:05+16:00', '2024-02-29T10:30:05-24', '2024-02-29T10:30:05+05:60',
    '0044-03-15T10:30:05Z BC', '0044-03-15T10:30:05+00 BC', '294276-12-31T23:59:59+00', '294276-12-31T23:59:59-01', '2024-02-29T10:30:05 UTC', '2024-02-29T10:30:05 +05',
    'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', 'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11', '{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}', 'a0eebc999c0b4ef8bb6d6bb9bd380a11', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a1g']) s;
INSERT INTO constant SELECT j::jsonb FROM unnest(ARRAY['null', 'true', 'false', '0', '-0', '1', '1.0', '1.5', '1e2', '1e-2', '1e38', '1e39', '1e-60', '1e308', '1e-400', '32768', '2147483648', '9223372036854775808', '{}', '[]', '[1]', '[true, false]', '["open", "1"]', '[null]', '[[1]]',
    '{"identity": "extras.a"}', '{"identity": "extras.a.b c"}', '{"identity": "extras."}', '{"identity": "extras.a."}', '{"identity": "row_id", "dbo_id": 1}', '{"identity": "row_id", "dbo_id": 2147483647}', '{"identity": "row_id"}', '{"identity": "row_id", "dbo_id": 1.0}',
    '{"identity": "row_id", "dbo_id": 2147483648}', '{"identity": "extras.a", "dbo_id": 1}', '{"identity": "dbo_id"}', '[{"identity": "extras.a"}]']) j;
CREATE FUNCTION is_taken(op text, kind text, type oid, value jsonb) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN PERFORM herald.check_leaf('', op, kind, type, value); RETURN true;
    EXCEPTION WHEN SQLSTATE '22023' THEN RETURN false; END $$;
CREATE TABLE filter AS SELECT jsonb_build_object(k.name, jsonb_build_object(o.op, v.value)) AS json, is_taken(o.op, k.kind, k.type, v.value)
  FROM constant c
  CROSS JOIN (SELECT x.name, x.type, herald.compares(x.type, x.coll) FROM herald.columns_of('t'::regclass) x OFFSET 0) k(name, type, kind)
  CROSS JOIN (SELECT unnest(ARRAY['eq', 'gt', 'in', 'is', 'isdistinct', 'prefix', 'like'])) o(op)
  CROSS JOIN LATERAL (SELECT CASE WHEN o.op = 'in' AND jsonb_typeof(c.json) NOT IN ('array', 'object') THEN jsonb_build_array(c.json) ELSE c.json END) v(value);
SQL
run_sql visible "SELECT description FROM herald.shape" | tr -d '\n' >"$work/shape"
run_sql visible "SELECT json FROM filter WHERE is_taken" >"$work/taken"
: >"$work/rows"
said=$("$judge" "$work/shape" "$work/taken" "$work/rows" 2>&1 >/dev/null || true)
check 'what watch() takes can be judged' '' "$said"
echo "# filters: $(run_sql visible "SELECT count(*) || ', taken: ' || count(*) FILTER (WHERE is_taken) FROM filter")"
check '… and that is something' t "$(run_sql visible "SELECT count(*) FILTER (WHERE is_taken) > 1000 AND count(DISTINCT k) FILTER (WHERE is_taken) = 15 FROM filter CROSS JOIN LATERAL jsonb_object_keys(json) k")"
exit $((failures > 0))
