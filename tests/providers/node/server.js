// oidc-provider with its own login and consent pages, and a small API.
// Arguments: name of the module, and port.
import { createHash } from 'node:crypto';

const [module, port] = process.argv.slice(2);
const { default: Provider } = await import(module);

const callbacks = ['https://app.example/callback', 'http://127.0.0.1/callback'];
const client = (name, method, more = {}) => ({
  client_id: name,
  ...(method === 'none' ? {} : { client_secret: `${name}-SECRET-4b1d` }),
  token_endpoint_auth_method: method,
  application_type: 'native', // any port of the loopback address
  redirect_uris: callbacks,
  scope: 'openid public redeploy jobs users admin',
  ...more,
});

const provider = new Provider(`http://127.0.0.1:${port}`, {
  clients: [
    client('app', 'client_secret_post'),
    client('other', 'client_secret_post'),
    client('basic', 'client_secret_basic'),
    client('strict', 'client_secret_post'),
    client('public', 'none'),
  ],
  scopes: ['openid', 'public', 'redeploy', 'jobs', 'users', 'admin'],
  pkce: { required: (_, { clientId }) => clientId === 'strict' || clientId === 'public' },
  features: {
    devInteractions: { enabled: true },
    introspection: { enabled: true },
    revocation: { enabled: true },
  },
  cookies: { keys: [createHash('sha256').update('of a test').digest('hex')] },
  routes: {
    authorization: '/oauth/authorize',
    token: '/oauth/token',
    revocation: '/oauth/revoke',
    introspection: '/oauth/introspect',
  },
});

const now = Date.now.bind(Date);
let offset = 0;
Date.now = () => now() + offset;

const pagination = { previous: null, next: null, current: 1, per_page: 30, count: 1, pages: 1 };
const api = {
  'GET stacks.json': ['public', (ctx, user) => {
    ctx.body = { response: [{ uid: `uid-of-${user}`, name: user }], count: 1, pagination };
  }],
  'POST deployments.json': ['redeploy', (ctx) => {
    ctx.body = { response: { ok: true, message: 'Stack queued for redeployment' } };
  }],
  'POST echo': ['', async (ctx) => {
    let bytes = 0;
    for await (const chunk of ctx.req) bytes += chunk.length;
    ctx.body = String(bytes);
  }],
  'GET large': ['', (ctx) => { ctx.body = Buffer.alloc(1_000_000, 'x'); }],
};

function reject(ctx, status, parameters) {
  const fields = Object.entries(parameters).map(([name, text]) => `${name}="${text}"`);
  ctx.status = status;
  ctx.type = 'html';
  ctx.set('WWW-Authenticate', `Bearer ${fields.join(', ')}`);
  ctx.body = '';
}

provider.use(async (ctx, next) => {
  if (ctx.path === '/test/age') {
    offset += 30 * 24 * 3600 * 1000; // expires every code and token issued so far
    ctx.status = 204;
    return undefined;
  }
  const found = ctx.path.startsWith('/api/3/') && api[`${ctx.method} ${ctx.path.split('/').pop()}`];
  if (!found) return next();
  const [scope, serve] = found;
  const token = await provider.AccessToken.find(ctx.get('Authorization').replace(/^Bearer /i, ''));
  if (!token) {
    return reject(ctx, 401, { realm: 'api', error: 'invalid_token', error_description: 'The access token is invalid' });
  }
  if (scope && !token.scopes.has(scope)) {
    return reject(ctx, 403, { realm: 'api', error: 'insufficient_scope', scope });
  }
  return serve(ctx, token.accountId);
});

provider.listen(Number(port), '127.0.0.1');
