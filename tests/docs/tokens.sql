-- SPDX-License-Identifier: PostgreSQL
CREATE TABLE public.sessions (token_hash bytea, user_id int, name text, expires_at timestamptz);
