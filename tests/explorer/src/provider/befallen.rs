//! What befalls the clients of a provider without any call.

use super::{Entry, Provider, THEIRS};

impl Provider {
    /// Somebody regenerates token and secret of every client: what was issued is void, and the clients live.
    pub(in super::super) fn regenerate(&mut self) {
        for (id, entry) in self.ledger.clone() {
            if id != THEIRS && entry.alive {
                let regenerated = Entry {
                    token: format!("regenerated-token-of-{id}"),
                    regenerated: true,
                    ..Entry::clone(&entry)
                };
                self.put(&id, regenerated);
            }
        }
    }

    /// The provider loses one client.
    pub(in super::super) fn lose_client(&mut self, id: &str) {
        if let Some(entry) = self.ledger.get(id).cloned() {
            let lost = Entry {
                alive: false,
                ..Entry::clone(&entry)
            };
            self.put(id, lost);
            self.lost = Some(id.to_owned());
        }
    }

    /// Somebody installs the provider anew: every client is lost but those of others, who registered again.
    pub(in super::super) fn lose(&mut self) {
        for (id, entry) in self.ledger.clone() {
            if id != THEIRS {
                let lost = Entry {
                    alive: false,
                    ..Entry::clone(&entry)
                };
                self.put(&id, lost);
            }
        }
    }
}
