-- SPDX-License-Identifier: PostgreSQL
CREATE TABLE orders (id serial PRIMARY KEY, customer_id int NOT NULL, status text);
SELECT herald.set_rule('orders/*', anonymous_clients => true);
SELECT herald.watch('orders', 'orders/{customer_id}', snapshot => true);
INSERT INTO orders VALUES (4711, 7, 'open');
SELECT herald.set_rule('room/*', public_messaging => true);
