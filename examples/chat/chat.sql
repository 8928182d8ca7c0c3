-- SPDX-License-Identifier: PostgreSQL
-- What the chat needs from the database: two rules. Running it again changes nothing.

-- Every channel below room/: anybody may read (anonymous_clients), who is signed in may write (public_messaging with
-- public_auth) and may speak to signed-in people only (auth_channel). Members are listed, and the newest 100 messages kept.
select herald.set_rule('room/*', anonymous_clients => true, public_messaging => true, public_auth => true,
                       auth_channel => true, presence => true, message_history => 100);

-- One room is for members: an exact name goes before a pattern. Anonymous clients cannot even join.
select herald.set_rule('room/shield', anonymous_clients => false, public_messaging => true, public_auth => true,
                       auth_channel => true, presence => true, message_history => 100);
