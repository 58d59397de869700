#!/bin/sh
# Makes this deployment's credentials on its first start, and gives each part its own: a file that it alone can read, and
# reads before it starts. What the user set (environment or .env) wins over what is made here.
set -eu
umask 077
cd /run/credentials

random() { od -An -N24 -tx1 /dev/urandom | tr -d ' \n'; }

# keep NAME PREFIX: the value kept under NAME, made on the first start. The prefix says what it is, and begins it with a
# letter: the broker would read 123e4 as a number.
keep() {
  touch kept
  grep -q "^$1=." kept || printf '%s=%s%s\n' "$1" "$2" "$(random)" >>kept
}

# give FILE OWNER: what is on stdin, readable by its owner alone.
give() {
  cat >"$1.new"
  chown "$2" "$1.new"
  mv -f "$1.new" "$1"
}

for user in INGEST CHECKOUT ENTITLEMENTS GATEWAY OBSERVER OPERATOR KEEPER MIRRORS ADMIN ROUTE; do keep "NATS_PASSWORD_$user" nats_; done
for role in ENTITLEMENTS_OWNER ENTITLEMENTS_SERVICE CHECKOUT_OWNER CHECKOUT_SERVICE REPLICATOR; do keep "${role}_PASSWORD" pg_; done
keep POSTGRES_PASSWORD pg_
keep MADE_NEXTAUTH_SECRET nextauth_
keep MADE_STRIPE_SECRET_KEY sk_test_sandbox
keep MADE_STRIPE_WEBHOOK_SECRET whsec_
. ./kept

[ -s keys/trusted.json ] || { echo 'credentials: no keys yet: run the service keys first' >&2; exit 1; }

# signs NAME: its own private key, in one line (it was made by the service `keys`; JSON holds no single quote).
signs() { echo "export INTERNAL_SIGNING_KEY='$(tr -d '\n' <"keys/$1.json")'"; }

# Everybody's public keys, and those that the user set beside them.
trusts="export INTERNAL_TRUSTED_KEYS='$(tr -d '\n' <keys/trusted.json)'\" \${INTERNAL_TRUSTED_KEYS:-}\""

# The sandbox is in force as long as nobody gave a real key. On https there is no such default: whoever forgets the key of
# a public deployment gets a service that refuses to start, not one that sells Pro for test cards.
sandbox="
case \"\$NEXTAUTH_URL\" in *[Hh][Tt][Tt][Pp][Ss]:*) ;; *)
  : \"\${STRIPE_SECRET_KEY:=$MADE_STRIPE_SECRET_KEY}\"
  case \"\$STRIPE_SECRET_KEY\" in sk_test_sandbox*)
    : \"\${STRIPE_WEBHOOK_SECRET:=$MADE_STRIPE_WEBHOOK_SECRET}\"
    : \"\${STRIPE_PRICE_PRO_LIFETIME:=price_atlas_pro_lifetime}\"
    : \"\${STRIPE_API_BASE:=http://sandbox:8004}\"
  esac
esac
export STRIPE_SECRET_KEY STRIPE_WEBHOOK_SECRET STRIPE_PRICE_PRO_LIFETIME STRIPE_API_BASE"

# The servers' names: one each, or those of a cluster's nodes and of both database servers, of which one is the primary.
BROKERS=${BROKERS:-nats} DATABASES=${DATABASES:-postgres}

nodes() { # nodes PREFIX PORT: the URL of each node, comma-separated
  all=
  for name in $BROKERS; do all="$all${all:+,}$1@$name:$2"; done
  echo "$all"
}

broker() { # broker USER PASSWORD
  echo "export NATS_URL=$(nodes "nats://$1:$2" 4222) NATS_INBOX_PREFIX=_INBOX_$1"
}

stored() { # stored ROLE PASSWORD DATABASE: the URL of a database
  all=
  for name in $DATABASES; do all="$all${all:+,}$name:5432"; done
  case $all in *,*) writes='?target_session_attrs=read-write' ;; *) writes= ;; esac
  echo "'postgresql://$1:$2@$all/$3$writes'"
}

database() { # database NAME OWNER_PASSWORD SERVICE_PASSWORD
  echo "export DATABASE_URL=$(stored "$1_service" "$3" "$1")"
  echo "export DATABASE_MIGRATION_URL=$(stored "$1_owner" "$2" "$1")"
}

give nats.env 10010 <<END
$(grep '^NATS_PASSWORD_' kept | sed 's/^/export /')
export NATS_ROUTES='[$(nodes "nats-route://route:$NATS_PASSWORD_ROUTE" 6222 | sed 's/[^,]*/"&"/g')]'
END

# This script runs in the image of Postgres: the user's number is the one that the server has there.
give postgres.env "$(id -u postgres)" <<END
$(grep -E '^(POSTGRES|ENTITLEMENTS|CHECKOUT|REPLICATOR)_' kept | sed 's/^/export /')
END

give account-gateway.env 10001 <<END
$(signs account-gateway)
$trusts
$(broker gateway "$NATS_PASSWORD_GATEWAY")
# Made up and signed in by ourselves only where nobody else's browser gets; a public deployment has the web app's secret.
case "\$NEXTAUTH_URL" in *[Hh][Tt][Tt][Pp][Ss]:*) ;; *)
  : "\${NEXTAUTH_SECRET:=$MADE_NEXTAUTH_SECRET}" "\${ATLAS_DEV_SIGN_IN:=true}"
esac
export NEXTAUTH_SECRET ATLAS_DEV_SIGN_IN
END

give webhook-ingest.env 10002 <<END
$(signs webhook-ingest)
$trusts
$(broker ingest "$NATS_PASSWORD_INGEST")
$sandbox
END

give checkout.env 10003 <<END
$(signs checkout)
$trusts
$(broker checkout "$NATS_PASSWORD_CHECKOUT")
$(database checkout "$CHECKOUT_OWNER_PASSWORD" "$CHECKOUT_SERVICE_PASSWORD")
$sandbox
END

give entitlements.env 10004 <<END
$(signs entitlements)
$trusts
# The sandbox is a reader like any other, and none on https, where there is no sandbox.
case "\$NEXTAUTH_URL" in *[Hh][Tt][Tt][Pp][Ss]:*) ;; *)
  INTERNAL_READERS="stripe-sandbox,\${INTERNAL_READERS:-}"
esac
export INTERNAL_READERS
$(broker entitlements "$NATS_PASSWORD_ENTITLEMENTS")
$(database entitlements "$ENTITLEMENTS_OWNER_PASSWORD" "$ENTITLEMENTS_SERVICE_PASSWORD")
END

# A real key never reaches the sandbox.
give sandbox.env 10005 <<END
$(signs stripe-sandbox)
case "\${STRIPE_SECRET_KEY:-}" in sk_test_sandbox*) ;; *)
  STRIPE_SECRET_KEY='' STRIPE_WEBHOOK_SECRET='' STRIPE_PRICE_PRO_LIFETIME=''
esac
export SANDBOX_SECRET_KEY="\${STRIPE_SECRET_KEY:-$MADE_STRIPE_SECRET_KEY}"
export SANDBOX_WEBHOOK_SECRET="\${STRIPE_WEBHOOK_SECRET:-$MADE_STRIPE_WEBHOOK_SECRET}"
export SANDBOX_PRICE_ID="\${STRIPE_PRICE_PRO_LIFETIME:-price_atlas_pro_lifetime}"
unset STRIPE_SECRET_KEY STRIPE_WEBHOOK_SECRET
END

# It looks and asks, and signs as the operator: at the broker it sees figures and no message, it owns no database.
give operator.env 10006 <<END
$(signs operator)
$(broker operator "$NATS_PASSWORD_OPERATOR")
export ENTITLEMENTS_DATABASE_URL=$(stored entitlements_service "$ENTITLEMENTS_SERVICE_PASSWORD" entitlements)
export CHECKOUT_DATABASE_URL=$(stored checkout_service "$CHECKOUT_SERVICE_PASSWORD" checkout)
$sandbox
END

# The support desk signs as the operator too, and sees neither a database nor a key of Stripe's.
give desk.env 10008 <<END
$(signs operator)
$(broker operator "$NATS_PASSWORD_OPERATOR")
END

# It alone may change streams and make mirrors; it runs before the services and ends.
give retention.env 10007 <<END
export NATS_ADMIN_URL=$(nodes "nats://keeper:$NATS_PASSWORD_KEEPER" 4222)
export NATS_READERS_ADMIN_URL=$(nodes "nats://mirrors:$NATS_PASSWORD_MIRRORS" 4222)
END

chmod 755 .
# The broker's streams of an earlier version lay in no account; the broker is not running yet.
if [ -d '/data/nats/jetstream/$G' ] && [ ! -e /data/nats/jetstream/ATLAS ]; then
  mv '/data/nats/jetstream/$G' /data/nats/jetstream/ATLAS
fi
# Volumes are root's when they are new; these two belong to servers that aren't.
for store in /data/nats*; do chown 10010 "$store"; done
chown 10005 /data/sandbox
