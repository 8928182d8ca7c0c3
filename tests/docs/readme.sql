-- SPDX-License-Identifier: PostgreSQL
CREATE SCHEMA demo;
CREATE TABLE demo.orders (id serial PRIMARY KEY, customer text, item text, price numeric);
CREATE TABLE orders (id serial PRIMARY KEY, customer_id int, status text, total numeric);
CREATE SCHEMA app;
CREATE FUNCTION app.is_member(channel text, identity json, action text) RETURNS boolean LANGUAGE sql SECURITY DEFINER AS 'SELECT true';
GRANT USAGE ON SCHEMA app TO herald_caller;
