-- The first schema. The same text runs on SQLite and PostgreSQL, so it knows two types only: TEXT and BIGINT. Times of state
-- that nodes share are epoch seconds (`..._at`) or, where a window is shorter than that, milliseconds (`..._ms`). Hashes, keys
-- and random values are base64url. Nothing here is a usable credential: secrets are hashed or sealed.

-- One row for the whole issuer: the cut-off for every token, and the epoch that a restore from backup moves.
CREATE TABLE issuer_state (
  id BIGINT PRIMARY KEY,
  not_before BIGINT NOT NULL,
  epoch BIGINT NOT NULL
);
INSERT INTO issuer_state (id, not_before, epoch) VALUES (1, 0, 1);

-- The highest time ever used, give or take a second. Apart from issuer_state, which every issuing transaction holds.
CREATE TABLE store_clock (
  id BIGINT PRIMARY KEY,
  clock_ms BIGINT NOT NULL
);
INSERT INTO store_clock (id, clock_ms) VALUES (1, 0);

-- `version` is drawn anew with every write, so that parsed settings can be kept under it.
CREATE TABLE resources (
  resource_key TEXT PRIMARY KEY,
  version BIGINT NOT NULL,
  settings TEXT NOT NULL,
  created_at BIGINT NOT NULL
);

-- settings: JSON (name, kind of authentication, grant types, redirect URIs, scopes, public keys).
-- secrets: JSON, two at the most (hash, when it was made, when it expires).
CREATE TABLE clients (
  id TEXT PRIMARY KEY,
  version BIGINT NOT NULL,
  settings TEXT NOT NULL,
  secrets TEXT NOT NULL,
  not_before BIGINT NOT NULL,
  disabled_at BIGINT,
  created_at BIGINT NOT NULL
);
CREATE INDEX clients_cut_off ON clients (not_before);

-- The cut-offs of deleted clients, for as long as a token may outlive its client: one of the same name must not revive them.
CREATE TABLE former_clients (
  id TEXT PRIMARY KEY,
  not_before BIGINT NOT NULL,
  expires_at BIGINT NOT NULL
);

CREATE TABLE users (
  id TEXT PRIMARY KEY,
  username TEXT NOT NULL UNIQUE,
  password_hash TEXT NOT NULL,
  not_before BIGINT NOT NULL,
  disabled_at BIGINT,
  created_at BIGINT NOT NULL
);
CREATE INDEX users_cut_off ON users (not_before);

CREATE TABLE sessions (
  hash TEXT PRIMARY KEY,
  user_id TEXT NOT NULL,
  authenticated_at BIGINT NOT NULL,
  acr TEXT,
  expires_at BIGINT NOT NULL
);
CREATE INDEX sessions_user ON sessions (user_id);
CREATE INDEX sessions_expiry ON sessions (expires_at);

CREATE TABLE consents (
  user_id TEXT NOT NULL,
  client_id TEXT NOT NULL,
  resource_key TEXT NOT NULL,
  scope TEXT NOT NULL,
  given_at BIGINT NOT NULL,
  PRIMARY KEY (user_id, client_id, resource_key)
);

CREATE TABLE codes (
  hash TEXT PRIMARY KEY,
  client_id TEXT NOT NULL,
  user_id TEXT NOT NULL,
  scope TEXT NOT NULL,
  resources TEXT NOT NULL,
  redirect_uri TEXT NOT NULL,
  redirect_uri_sent BIGINT NOT NULL,
  code_challenge TEXT NOT NULL,
  authenticated_at BIGINT NOT NULL,
  acr TEXT,
  issued_at BIGINT NOT NULL,
  expires_at BIGINT NOT NULL,
  attempts BIGINT NOT NULL,
  spent_at BIGINT,
  grant_id TEXT,
  keep_until BIGINT NOT NULL
);
CREATE INDEX codes_expiry ON codes (keep_until);
CREATE INDEX codes_user ON codes (user_id, client_id);

-- One row for each device that asks for access (RFC 8628): waiting while `decision` is NULL, then 'approved' or 'denied', and
-- spent once it gave its tokens. A user code is short enough to be guessed from a plain hash, so its hash is keyed.
CREATE TABLE device_codes (
  hash TEXT PRIMARY KEY,
  user_code_hash TEXT NOT NULL UNIQUE,
  client_id TEXT NOT NULL,
  scope TEXT NOT NULL,
  resources TEXT NOT NULL,
  asked_from TEXT NOT NULL,
  issued_at BIGINT NOT NULL,
  expires_at BIGINT NOT NULL,
  interval_seconds BIGINT NOT NULL,
  polled_ms BIGINT,
  decision TEXT,
  user_id TEXT,
  authenticated_at BIGINT,
  acr TEXT,
  decided_at BIGINT,
  spent_at BIGINT,
  grant_id TEXT,
  keep_until BIGINT NOT NULL
);
CREATE INDEX device_codes_expiry ON device_codes (keep_until);
CREATE INDEX device_codes_user ON device_codes (user_id, client_id);
CREATE INDEX device_codes_client ON device_codes (client_id);

-- One row for each grant on one device, and so for each refresh family. While it lives:
--   generation n, token_hash = SHA-256 of the secret in the token of generation n, salt = what that secret was derived with.
-- After a rotation the same row holds n + 1; the answer to a retry is derived again from the presented token and the salt.
-- replay_streak counts the generations running that were retried, the last of them replay_generation: often it is a network,
-- but it is also what two holders of one token look like.
-- Ended: ended_at and ended_reason are set, the rest stays until keep_until so that its tokens introspect as inactive.
CREATE TABLE grants (
  id TEXT PRIMARY KEY,
  client_id TEXT NOT NULL,
  user_id TEXT NOT NULL,
  scope TEXT NOT NULL,
  resources TEXT NOT NULL,
  authenticated_at BIGINT NOT NULL,
  acr TEXT,
  issued_at BIGINT NOT NULL,
  not_before BIGINT NOT NULL,
  generation BIGINT,
  token_hash TEXT,
  salt TEXT,
  rotated_ms BIGINT,
  replay_generation BIGINT NOT NULL DEFAULT 0,
  replay_streak BIGINT NOT NULL DEFAULT 0,
  idle_expires_at BIGINT NOT NULL,
  absolute_expires_at BIGINT NOT NULL,
  ended_at BIGINT,
  ended_reason TEXT,
  keep_until BIGINT NOT NULL,
  status_list TEXT,
  status_index BIGINT
);
CREATE INDEX grants_user ON grants (user_id, client_id);
CREATE INDEX grants_client ON grants (client_id);
CREATE INDEX grants_expiry ON grants (keep_until);
CREATE INDEX grants_status ON grants (status_list, status_index) WHERE status_list IS NOT NULL;
CREATE INDEX grants_cut_off ON grants (not_before) WHERE not_before > 0;

-- Opaque access tokens only; a JWT is stored nowhere. token_key = expiry in hex, then SHA-256 of the token: rows lie in the
-- order of their expiry, so that inserts append.
CREATE TABLE access_tokens (
  token_key TEXT PRIMARY KEY,
  jti TEXT NOT NULL,
  client_id TEXT NOT NULL,
  subject TEXT NOT NULL,
  grant_id TEXT,
  audience TEXT NOT NULL,
  scope TEXT NOT NULL,
  issued_at BIGINT NOT NULL,
  expires_at BIGINT NOT NULL,
  authenticated_at BIGINT,
  acr TEXT
);
CREATE INDEX access_tokens_expiry ON access_tokens (expires_at);

CREATE TABLE revoked_tokens (
  jti TEXT PRIMARY KEY,
  expires_at BIGINT NOT NULL
);
CREATE INDEX revoked_tokens_expiry ON revoked_tokens (expires_at);

-- What may happen once: assertions, consent forms. The kind keeps the uses apart.
CREATE TABLE spent (
  kind TEXT NOT NULL,
  id TEXT NOT NULL,
  expires_at BIGINT NOT NULL,
  PRIMARY KEY (kind, id)
);
CREATE INDEX spent_expiry ON spent (expires_at);

-- Rate limits: the time, in milliseconds, at which a key has its full allowance again (GCRA).
CREATE TABLE attempts (
  id TEXT PRIMARY KEY,
  full_at_ms BIGINT NOT NULL,
  expires_at BIGINT NOT NULL
);
CREATE INDEX attempts_expiry ON attempts (expires_at);

-- Signing, refresh, receipt and form keys, and the secrets that resources share; `sealed` opens only with the key-encryption
-- key, for this id and purpose (and, of a shared secret, this resource).
CREATE TABLE keys (
  id TEXT PRIMARY KEY,
  purpose TEXT NOT NULL,
  algorithm TEXT NOT NULL,
  public_jwk TEXT,
  resource_key TEXT,
  sealed TEXT NOT NULL,
  created_at BIGINT NOT NULL,
  active_at BIGINT NOT NULL,
  retired_at BIGINT,
  expires_at BIGINT
);

-- Written unnumbered with the change it tells of; the sequencer numbers and chains it. seq and hash are its alone.
CREATE TABLE audit (
  id TEXT PRIMARY KEY,
  at_ms BIGINT NOT NULL,
  kind TEXT NOT NULL,
  actor TEXT NOT NULL,
  facts TEXT NOT NULL,
  seq BIGINT UNIQUE,
  previous_hash TEXT,
  hash TEXT
);
CREATE INDEX audit_unnumbered ON audit (at_ms, id) WHERE seq IS NULL;

-- Whoever locks a row here does that work; `fence` counts how often it was taken.
CREATE TABLE leases (
  name TEXT PRIMARY KEY,
  fence BIGINT NOT NULL
);
INSERT INTO leases (name, fence) VALUES ('sequencer', 0);
INSERT INTO leases (name, fence) VALUES ('keys', 0);
INSERT INTO leases (name, fence) VALUES ('names', 0);
INSERT INTO leases (name, fence) VALUES ('feed', 0);

-- Everything that was taken back, one row each: written unnumbered with the change itself; the sequencer numbers it densely, and
-- readers see numbered rows only. Outbox, log and what snapshots are made of in one. entry: JSON (store/revocation-entry.ts);
-- resources: the resource keys that it concerns, NULL for all.
CREATE TABLE revocations (
  id TEXT PRIMARY KEY,
  at_ms BIGINT NOT NULL,
  txn TEXT NOT NULL,
  entry TEXT NOT NULL,
  reason TEXT NOT NULL,
  initiator TEXT NOT NULL,
  resources TEXT,
  expires_at BIGINT NOT NULL,
  seq BIGINT UNIQUE
);
CREATE INDEX revocations_unnumbered ON revocations (at_ms, id) WHERE seq IS NULL;
CREATE INDEX revocations_expiry ON revocations (expires_at);

-- The last number that the sequencer gave; it outlives the rows.
CREATE TABLE feed_state (
  id BIGINT PRIMARY KEY,
  head BIGINT NOT NULL
);
INSERT INTO feed_state (id, head) VALUES (1, 0);

-- Cut-offs without a row of their own: kind 'pair' of a user at a client, kind 'actor' with an empty client_id.
CREATE TABLE cut_offs (
  kind TEXT NOT NULL,
  subject TEXT NOT NULL,
  client_id TEXT NOT NULL,
  not_before BIGINT NOT NULL,
  expires_at BIGINT NOT NULL,
  PRIMARY KEY (kind, subject, client_id)
);
CREATE INDEX cut_offs_expiry ON cut_offs (expires_at);
CREATE INDEX cut_offs_latest ON cut_offs (not_before);

-- API keys of services (user_id NULL) and personal access tokens of users. The id is a grant id: tokens that were given for a key
-- carry it, and end with it. expires_at NULL: never, which somebody asked for. Ended keys stay until keep_until, for the list.
CREATE TABLE api_keys (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL,
  client_id TEXT NOT NULL,
  user_id TEXT,
  resource_key TEXT NOT NULL,
  scope TEXT NOT NULL,
  issued_at BIGINT NOT NULL,
  not_before BIGINT NOT NULL,
  expires_at BIGINT,
  ended_at BIGINT,
  ended_reason TEXT,
  keep_until BIGINT
);
CREATE INDEX api_keys_client ON api_keys (client_id);
CREATE INDEX api_keys_user ON api_keys (user_id);
CREATE INDEX api_keys_expiry ON api_keys (keep_until);

-- The secrets of a key, two at the most: a new one works beside the old one while programs change over.
CREATE TABLE api_key_secrets (
  hash TEXT PRIMARY KEY,
  key_id TEXT NOT NULL,
  made_at BIGINT NOT NULL,
  expires_at BIGINT,
  keep_until BIGINT
);
CREATE INDEX api_key_secrets_key ON api_key_secrets (key_id);
CREATE INDEX api_key_secrets_expiry ON api_key_secrets (keep_until);

-- When a secret of a key or client was used last, by its hash. Gathered in memory and written once a minute for all of them.
CREATE TABLE secret_uses (
  hash TEXT PRIMARY KEY,
  used_at BIGINT NOT NULL,
  keep_until BIGINT NOT NULL
);
CREATE INDEX secret_uses_expiry ON secret_uses (keep_until);

-- The client of all personal access tokens. Disabled or deleted, it ends them, and nobody gets new ones.
INSERT INTO clients (id, version, settings, secrets, not_before, created_at) VALUES ('personal-access-tokens', 0,
  '{"name":"Personal access tokens","authenticationMethods":["none"],"grantTypes":[],"redirectUris":[]}', '[]', 0, 0);

-- One row for each stream of security events, which is one for each process that guards: where it stands in the ledger (`acked`:
-- everything up to it is acknowledged), what it is told about itself meanwhile (`notices`), and, where events are pushed, which
-- node does it and until when. resource_key NULL: a receiver that is told everything. `settings`: JSON.
CREATE TABLE streams (
  id TEXT PRIMARY KEY,
  client_id TEXT NOT NULL,
  resource_key TEXT,
  audience TEXT NOT NULL,
  method TEXT NOT NULL,
  settings TEXT NOT NULL,
  status TEXT NOT NULL,
  reason TEXT,
  status_ms BIGINT NOT NULL,
  acked BIGINT NOT NULL,
  notices TEXT NOT NULL,
  verified_ms BIGINT NOT NULL,
  created_at BIGINT NOT NULL,
  timeout_seconds BIGINT,
  expires_at BIGINT,
  pushed_by TEXT,
  pushed_until_ms BIGINT NOT NULL
);
CREATE INDEX streams_client ON streams (client_id, created_at);
CREATE INDEX streams_pushed ON streams (pushed_until_ms) WHERE method = 'push';
CREATE INDEX streams_expiry ON streams (expires_at);
INSERT INTO leases (name, fence) VALUES ('push', 0);

-- What somebody has to be told of a leak, written with what it ended. Due again when the lease of whoever sends it runs out, so
-- that it arrives at least once. `content`: JSON, without the secret.
CREATE TABLE leak_notices (
  id TEXT PRIMARY KEY,
  at_ms BIGINT NOT NULL,
  content TEXT NOT NULL,
  due_ms BIGINT NOT NULL,
  attempts BIGINT NOT NULL,
  expires_at BIGINT NOT NULL
);
CREATE INDEX leak_notices_due ON leak_notices (due_ms, id);
CREATE INDEX leak_notices_expiry ON leak_notices (expires_at);
INSERT INTO leases (name, fence) VALUES ('leak_notices', 0);

-- Token Status List (draft-ietf-oauth-status-list-21). One row for each list: `next` counts the indexes given out, which are the
-- permuted counter; the key of the permutation is sealed for the id. No token in it lives beyond expires_at.
CREATE TABLE status_lists (
  id TEXT PRIMARY KEY,
  life_bits BIGINT NOT NULL,
  bits BIGINT NOT NULL,
  next BIGINT NOT NULL,
  sealed TEXT NOT NULL,
  made_at BIGINT NOT NULL,
  open_until BIGINT NOT NULL,
  expires_at BIGINT NOT NULL
);
CREATE INDEX status_lists_life ON status_lists (life_bits, made_at);
CREATE INDEX status_lists_expiry ON status_lists (expires_at);

-- What was published of each list last; `head`: how far the ledger was numbered when its bits were read. Apart from the counter,
-- which changes oftener and is small.
CREATE TABLE status_list_tokens (
  id TEXT PRIMARY KEY,
  version BIGINT NOT NULL,
  issued_at BIGINT NOT NULL,
  kid TEXT NOT NULL,
  head BIGINT NOT NULL,
  claimed_ms BIGINT NOT NULL,
  expires_at BIGINT NOT NULL,
  token TEXT NOT NULL
);
CREATE INDEX status_list_tokens_expiry ON status_list_tokens (expires_at);

-- The place of the tokens that one client got for itself, for the same resources, within 5 minutes of expiry, since the same
-- cut-off. issued_at: when the first of them was.
CREATE TABLE status_buckets (
  client_id TEXT NOT NULL,
  resources TEXT NOT NULL,
  end_at BIGINT NOT NULL,
  not_before BIGINT NOT NULL,
  issued_at BIGINT NOT NULL,
  status_list TEXT NOT NULL,
  status_index BIGINT NOT NULL,
  keep_until BIGINT NOT NULL,
  PRIMARY KEY (client_id, resources, end_at, not_before)
);
CREATE INDEX status_buckets_status ON status_buckets (status_list, status_index);
CREATE INDEX status_buckets_expiry ON status_buckets (keep_until);
INSERT INTO leases (name, fence) VALUES ('status_lists', 0);
