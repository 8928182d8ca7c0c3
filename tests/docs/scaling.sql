-- SPDX-License-Identifier: PostgreSQL
CREATE TABLE tasks (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, title text NOT NULL, owner bigint);
SELECT herald.set_rule('tasks', anonymous_clients => true);
SELECT herald.watch('tasks', channel => 'tasks', snapshot => true, visible => '{"owner": {"eq": {"identity": "row_id", "dbo_id": 1}}}');
