# SPDX-License-Identifier: PostgreSQL
openssl rand -hex 32 >secret
export PGHERALD_DATABASE_URL=${PGHERALD_DATABASE_URL/postgres@/herald_server@}
echo "token-secret-file = $PWD/secret" >/etc/pgherald/pgherald.conf
pgherald serve -c /etc/pgherald/pgherald.conf
TOKEN=$(pgherald token -c /etc/pgherald/pgherald.conf --dbo-id 12 --row-id 34)
