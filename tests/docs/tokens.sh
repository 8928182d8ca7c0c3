# SPDX-License-Identifier: PostgreSQL
printf short >short
