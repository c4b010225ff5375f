#!/bin/sh
# Makes the files of secrets that deploy/compose.yaml reads, in deploy/secrets; what is there stays.
set -eu
umask 077
mkdir -p "${1:-deploy/secrets}"
cd "${1:-deploy/secrets}"
if [ -e node.env ]; then
    echo "secrets are here already: nothing was changed"
    exit 0
fi
registry=$(openssl rand -hex 24)
prefect=$(openssl rand -hex 24)
password=$(openssl rand -hex 12)
echo "POSTGRES_PASSWORD=$registry" > registry-db.env
echo "POSTGRES_PASSWORD=$prefect" > prefect-db.env
echo "PREFECT_API_AUTH_STRING=admin:$password" > prefect-client.env
cat > prefect.env <<END
PREFECT_SERVER_DATABASE_CONNECTION_URL=postgresql+asyncpg://prefect:$prefect@prefect-db/prefect
PREFECT_SERVER_API_AUTH_STRING=admin:$password
END
cat > node.env <<END
ANNULUS_PSEUDONYM_KEY=$(openssl rand -hex 32)
ANNULUS_NODE__REGISTRY_URL=postgresql+psycopg://annulus:$registry@registry-db/annulus
END
echo "made: back node.env up with the archive, every pseudonym hangs on its key"
