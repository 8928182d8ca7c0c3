# SPDX-License-Identifier: PostgreSQL
pgherald serve --database-url "${PGHERALD_DATABASE_URL/postgres@/herald_server@}"
