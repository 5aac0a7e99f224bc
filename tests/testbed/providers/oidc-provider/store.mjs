// Storage for oidc-provider: maps in memory that never evict, so that thousands of clients stay.

const models = new Map();

const now = () => Math.floor(Date.now() / 1000);

export class Store {
  constructor(model) {
    if (!models.has(model)) models.set(model, new Map());
    this.items = models.get(model);
  }

  // oidc-provider calls this when a client is registered or updated, a token issued and so on.
  async upsert(id, payload, expiresIn) {
    this.items.set(id, { payload, expires: expiresIn ? now() + expiresIn : Infinity });
  }

  async find(id) {
    const item = this.items.get(id);
    return item && item.expires > now() ? item.payload : undefined;
  }

  async findByUid(uid) {
    return this.findWhere((payload) => payload.uid === uid);
  }

  async findByUserCode(userCode) {
    return this.findWhere((payload) => payload.userCode === userCode);
  }

  async consume(id) {
    const item = this.items.get(id);
    if (item) item.payload.consumed = now();
  }

  async destroy(id) {
    this.items.delete(id);
  }

  async revokeByGrantId(grantId) {
    for (const items of models.values()) {
      for (const [id, { payload }] of items) {
        if (payload.grantId === grantId) items.delete(id);
      }
    }
  }

  findWhere(fits) {
    for (const { payload, expires } of this.items.values()) {
      if (expires > now() && fits(payload)) return payload;
    }
    return undefined;
  }
}

// The clients that exist: id to metadata.
export function clients() {
  return Object.fromEntries([...(models.get('Client') ?? [])].map(([id, { payload }]) => [id, payload]));
}

export function removeClient(id) {
  return models.get('Client')?.delete(id) ?? false;
}
