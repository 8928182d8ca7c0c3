-- SPDX-License-Identifier: PostgreSQL
CREATE TABLE orders (id serial PRIMARY KEY, owner_id bigint, org text, team text, public boolean, status text);
CREATE TABLE members (user_id bigint);
CREATE ROLE shop_clerk;
CREATE ROLE shop_boss;
CREATE ROLE shop_guest;
