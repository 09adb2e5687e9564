#!/bin/sh
# Draws the secrets of compose.yml into ./secrets, once: what is there already stays. Run it as root in this folder, before anything
# else; podman without root has `podman unshare ./secrets.sh`.
set -eu
umask 077
mkdir -p secrets
draw() { [ -s "secrets/$1" ] || printf '%s' "$2" > "secrets/$1"; }
random() { od -An -N24 -tx1 /dev/urandom | tr -d ' \n'; }
draw postgres "$(random)"
draw database "postgresql+psycopg://tallystick:$(cat secrets/postgres)@postgres/tallystick"
draw s3 "$(random)"
draw s3.json "{\"identities\": [{\"name\": \"tallystick\", \"actions\": [\"Admin\"], \"credentials\": [{\"accessKey\": \"tallystick\", \"secretKey\": \"$(cat secrets/s3)\"}]}]}"
draw online.key.passphrase "$(random)"
# An engine hands these files on as they are: each must be readable by who needs it, and by nobody else.
chmod 711 secrets
chown 10001 secrets/database secrets/s3
chown 10002 secrets/online.key.passphrase
chown 999 secrets/postgres
chown "${SEAWEEDFS_UID:-0}" secrets/s3.json
