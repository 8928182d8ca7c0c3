# SPDX-License-Identifier: PostgreSQL
echo none >password
openssl rand -hex 32 >secret
/usr/sbin/nats-server --addr 127.0.0.1 --port 4222 >nats.log 2>&1 & others=$!
has_begun "$others" nats.log 'Server is ready'
