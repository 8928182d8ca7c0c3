-- SPDX-License-Identifier: PostgreSQL
-- What the board needs from the database: one rule. Anybody may join a board, its members are listed, and everybody may
-- speak to all of them or to one of them. Nothing is kept (no message_history), so no message touches the database.
-- Running it again changes nothing.

select herald.set_rule('board/*', anonymous_clients => true, public_messaging => true, private_messaging => true,
                       presence => true);
