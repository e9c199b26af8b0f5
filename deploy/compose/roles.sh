#!/bin/bash
# Runs once, in an empty Postgres: the worker's and the view's roles may log in, and no more.
# `progress-worker migrate` grants them what they need.
set -euo pipefail

psql --set=ON_ERROR_STOP=1 --username="$POSTGRES_USER" --dbname="$POSTGRES_DB" \
  --set=worker_password="$WORKER_PASSWORD" --set=view_password="$VIEW_PASSWORD" <<'SQL'
CREATE ROLE progress_worker LOGIN PASSWORD :'worker_password';
CREATE ROLE progress_view LOGIN PASSWORD :'view_password';
SQL
