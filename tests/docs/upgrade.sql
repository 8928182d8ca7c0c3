-- SPDX-License-Identifier: PostgreSQL
CREATE TABLE orders (id serial PRIMARY KEY, customer_id int NOT NULL);
SELECT herald.set_rule('orders', anonymous_clients => true);
SELECT herald.watch('orders', 'orders');
