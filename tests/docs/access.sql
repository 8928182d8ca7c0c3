-- SPDX-License-Identifier: PostgreSQL
CREATE TABLE orders (id serial PRIMARY KEY, owner int, owner_id bigint, public boolean);
INSERT INTO orders (owner) VALUES (34), (35);
CREATE SCHEMA app;
CREATE TABLE app.member (room text, account int);
