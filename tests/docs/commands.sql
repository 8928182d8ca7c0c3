-- SPDX-License-Identifier: PostgreSQL
CREATE TABLE orders (id int PRIMARY KEY, customer_id int NOT NULL, total numeric, note text);
SELECT herald.set_rule('chat/*'), herald.set_rule('lobby', presence => true);
