-- SPDX-License-Identifier: PostgreSQL
CREATE TABLE tasks (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, title text NOT NULL);
SELECT herald.set_rule('tasks', anonymous_clients => true);
SELECT herald.watch('tasks', channel => 'tasks', snapshot => true);
