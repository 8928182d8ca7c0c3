# SPDX-License-Identifier: PostgreSQL
psql -Xq -d postgresql://postgres@db.example.com/postgres -c 'CREATE ROLE shop_owner LOGIN CREATEROLE' -c 'CREATE DATABASE shop OWNER shop_owner'
