// Runs oidc-provider, as its documentation says, on a free port of 127.0.0.1, and an admin port for the tests
// beside it. It picks its ports itself, so that nobody can take them in between.
//
// Options are JSON in the environment variable TESTBED_OPTIONS: issuer, initialAccessToken (absent: registration is
// open; true: tokens that the admin port issues; a string: this token), rotate, management, idPrefix, secretPrefix.
// When both ports are open, one line `listening {"port": N, "admin": M}` is printed.

import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';

import Provider from 'oidc-provider';

import { Store, clients, removeClient } from './store.mjs';
import { ledger, setFaults, wire } from './wire.mjs';

const options = JSON.parse(process.env.TESTBED_OPTIONS ?? '{}');

const random = (bytes) => randomBytes(bytes).toString('base64url');

// Without `jwks` it signs with the keys that the package brings for development.
function configuration() {
  return {
    adapter: Store,
    cookies: { keys: [random(16)] },
    scopes: ['openid', 'offline_access', 'profile', 'email', 'read', 'write'],
    // Those with a token turn the implicit grant on.
    responseTypes: ['code', 'none', 'id_token', 'id_token token', 'code id_token', 'code token', 'code id_token token'],
    extraClientMetadata: { properties: ['software_id', 'software_version', 'ext_param_owner'] },
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      introspection: { enabled: true },
      revocation: { enabled: true },
      rpInitiatedLogout: { enabled: true },
      registration: {
        enabled: true,
        initialAccessToken: options.initialAccessToken ?? false,
        idFactory: () => `${options.idPrefix ?? ''}${random(16)}`,
        secretFactory: () => `${options.secretPrefix ?? ''}${random(32)}`,
      },
      registrationManagement: {
        enabled: options.management ?? true,
        rotateRegistrationAccessToken: options.rotate ?? false,
      },
    },
  };
}

const listen = async (server, port) => {
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  return server.address().port;
};

const server = createServer();
const port = await listen(server, 0);
const provider = new Provider(options.issuer ?? `http://127.0.0.1:${port}`, configuration());
// Something may stand before it that says by X-Forwarded-Proto what it is reached by.
provider.proxy = true;
provider.on('server_error', (context, error) => console.error(error));
server.on('request', wire(provider.callback()));

// Method and path to what it does; the last path segment, if any, is the argument.
const admin = {
  'GET /clients': () => clients(),
  'DELETE /clients/': (id) => removeClient(decodeURIComponent(id)),
  'GET /requests': () => ledger(),
  'POST /faults': (_, body) => setFaults(body),
  'POST /initial-access-token': async () => new provider.InitialAccessToken({ expiresIn: 3600 }).save(),
  'POST /down': () => {
    const closed = new Promise((resolve) => { server.close(resolve); });
    server.closeAllConnections();
    return closed;
  },
  'POST /up': async () => { await listen(server, port); },
};

const adminServer = createServer(async (request, response) => {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  const body = Buffer.concat(chunks).toString();
  const [, name, argument] = request.url.match(/^(\/[^/]+\/?)(.*)$/) ?? [];
  const action = admin[`${request.method} ${name}`];
  try {
    if (!action) throw new Error(`no such admin call: ${request.method} ${request.url}`);
    const result = await action(argument, body ? JSON.parse(body) : undefined);
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end(JSON.stringify(result ?? null));
  } catch (error) {
    response.writeHead(500, { 'content-type': 'text/plain' });
    response.end(String(error));
  }
});

console.log(`listening ${JSON.stringify({ port, admin: await listen(adminServer, 0) })}`);
