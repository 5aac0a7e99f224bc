// Starts oidc-provider on 127.0.0.1, as its documentation says, with what the tests need. Settings come from the
// environment: PORT, ISSUER, INITIAL_ACCESS_TOKEN (empty: registration is open), ROTATE and MANAGEMENT (on or off).

import { createServer } from 'node:http';
import { Provider } from 'oidc-provider';

const { PORT, ISSUER = `http://127.0.0.1:${PORT}`, INITIAL_ACCESS_TOKEN, ROTATE, MANAGEMENT } = process.env;

// The adapter of the package forgets old entries, and a ledger must not.
const stores = new Map();

class Store {
  constructor(kind) {
    if (!stores.has(kind)) stores.set(kind, new Map());
    this.entries = stores.get(kind);
  }
  async upsert(id, payload) { this.entries.set(id, payload); }
  async find(id) { return this.entries.get(id); }
  async findByUserCode() { return undefined; }
  async findByUid(uid) { return [...this.entries.values()].find((entry) => entry.uid === uid); }
  async consume(id) { this.entries.get(id).consumed = Math.floor(Date.now() / 1000); }
  async destroy(id) { this.entries.delete(id); }
  async revokeByGrantId(grant) {
    for (const [id, entry] of this.entries) if (entry.grantId === grant) this.entries.delete(id);
  }
}

const provider = new Provider(ISSUER, {
  adapter: Store,
  clients: [],
  scopes: ['openid', 'offline_access'],
  responseTypes: ['code', 'id_token', 'code id_token', 'none'],
  clientAuthMethods: ['client_secret_basic', 'client_secret_post', 'none'],
  extraClientMetadata: { properties: ['software_id', 'software_version', 'ext_param_owner'] },
  features: {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    introspection: { enabled: true },
    rpInitiatedLogout: { enabled: true },
    registration: { enabled: true, initialAccessToken: INITIAL_ACCESS_TOKEN || false },
    registrationManagement: {
      enabled: MANAGEMENT !== 'off',
      rotateRegistrationAccessToken: ROTATE === 'on',
    },
  },
});

const answer = provider.callback();
createServer((request, response) => {
  // What the provider holds, for the tests' ledger.
  if (request.url === '/_testbed/clients') {
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify(Object.fromEntries(stores.get('Client') ?? [])));
    return;
  }
  answer(request, response);
}).listen(Number(PORT), '127.0.0.1', () => console.log(`listening on ${PORT} as ${ISSUER}`));
