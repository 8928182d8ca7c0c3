-- SPDX-License-Identifier: PostgreSQL
-- What the chat needs from the database: one rule. It covers every channel below room/, lets anybody join and speak,
-- and keeps the newest 100 messages of each room. Running it again changes nothing.

select herald.set_rule('room/*', anonymous_clients => true, public_messaging => true, message_history => 100);
