-- SPDX-License-Identifier: PostgreSQL
-- What the landing page of the development server needs: one channel, on which each page that is open may say something, and so may
-- SQL. Running it again changes nothing.

select herald.set_rule('demo/hello', anonymous_clients => true, public_messaging => true, presence => true, message_history => 3);
