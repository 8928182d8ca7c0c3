# SPDX-License-Identifier: PostgreSQL
openssl rand -hex 32 >secret
echo "token-secret-file = $PWD/secret" >/etc/pgherald/pgherald.conf
pgherald serve --database-url "${PGHERALD_DATABASE_URL/postgres@/herald_server@}"
