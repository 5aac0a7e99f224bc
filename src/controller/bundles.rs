//! Stores CA bundles beside the records that refer to them, and collects those that nothing refers to.
//!
//! Passes know records with their bundle; what is stored refers to it. Invariants:
//! - The bundle is stored, or used anew, before a record that refers to it. If that fails, the record keeps the bundle inline: nothing
//!   about a bundle may keep a registration from being recorded.
//! - The leader removes a bundle that was not used for 24 h if no record refers to it by a live look, in the version that it saw. Whoever is
//!   about to refer to one that was not used for 12 h writes to it first, so that this version is another one.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use serde_json::{Value, json};

use crate::api::names;
use crate::bounded::Bounded;
use crate::cluster::{ApiError, StoredBundle};
use crate::domain::bundle::{self, Detached};
use crate::domain::record;

use super::context::{Context, lock};

/// Time between two looks at the bundles.
const EVERY: Duration = Duration::from_hours(1);
/// Most digests of bundles whose last use is remembered.
const MOST_USED: usize = 4096;
/// Most bundles that are kept in memory.
const MOST_READ: usize = 8;

/// What this process knows of stored bundles.
pub(super) struct Bundles {
    /// When a bundle was last used, as it is stored, by its digest.
    used: Mutex<Bounded<String, i64>>,
    /// Bundles by their digest.
    read: Mutex<Bounded<String, Arc<str>>>,
}

impl Default for Bundles {
    fn default() -> Self {
        Self {
            used: Mutex::new(Bounded::new(MOST_USED)),
            read: Mutex::new(Bounded::new(MOST_READ)),
        }
    }
}

impl Bundles {
    /// The record or suspect to create: with a reference, if its bundle is stored.
    pub(super) async fn reduced(&self, cx: &Context, tenant: &str, secret: &Secret) -> Option<Secret> {
        let data = secret.data.as_ref()?;
        let key = record::key(|key| data.contains_key(key))?;
        let Detached { record, pem, digest } = bundle::detach(record::json_in(secret)?)?;
        if !self.ensure(cx, tenant, &pem, &digest).await {
            return None;
        }
        let mut reduced = secret.clone();
        reduced
            .data
            .get_or_insert_default()
            .insert(key.to_owned(), ByteString(record));
        let labels = reduced.metadata.labels.get_or_insert_default();
        labels.insert(names::BUNDLE.to_owned(), digest);
        Some(reduced)
    }

    /// The same for the patch of a record.
    pub(super) async fn reduced_patch(&self, cx: &Context, tenant: &str, mut patch: Value) -> Value {
        let data = &patch["data"];
        let Some(key) = record::key(|key| data.get(key).is_some()) else {
            return patch;
        };
        let Ok(ByteString(record)) = serde_json::from_value(data[key].clone()) else {
            return patch;
        };
        let label = match bundle::detach(&record) {
            Some(Detached { record, pem, digest }) if self.ensure(cx, tenant, &pem, &digest).await => {
                patch["data"][key] = json!(ByteString(record));
                Some(digest)
            }
            Some(_) => None,
            None => bundle::reference(&record),
        };
        patch["metadata"]["labels"][names::BUNDLE] = json!(label);
        patch
    }

    /// A Secret as passes know it: a record with its bundle.
    ///
    /// # Errors
    /// The bundle cannot be read now.
    pub(super) async fn complete(&self, cx: &Context, mut secret: Secret) -> Result<Secret, ApiError> {
        let record = secret.data.as_mut();
        let record = record.and_then(|data| {
            let key = record::key(|key| data.contains_key(key))?;
            data.get_mut(key)
        });
        let Some((record, digest)) =
            record.and_then(|record| bundle::reference(&record.0).map(|digest| (record, digest)))
        else {
            return Ok(secret);
        };
        let Some(pem) = self.bundle(cx, &digest).await? else {
            // Without it, the record's token would go to whomever the system's authorities vouch for.
            return Err(ApiError::Other {
                code: 0,
                message: format!(
                    "its CA bundle, Secret {}/{}, is missing or changed; restore that Secret from a backup",
                    cx.here.namespace,
                    bundle::name(&digest)
                ),
            });
        };
        if let Some(complete) = bundle::attach(&record.0, &pem) {
            record.0 = complete;
        }
        Ok(secret)
    }

    async fn bundle(&self, cx: &Context, digest: &str) -> Result<Option<Arc<str>>, ApiError> {
        if let Some(pem) = lock(&self.read).get(digest) {
            return Ok(Some(Arc::clone(pem)));
        }
        let found = cx.secrets.bundle(&cx.here.namespace, digest).await?;
        Ok(found.map(|(pem, _)| {
            lock(&self.read).get_or_insert_with(digest.to_owned(), || Arc::clone(&pem));
            pem
        }))
    }

    /// Whether a record may refer to the bundle from now on.
    async fn ensure(&self, cx: &Context, tenant: &str, pem: &str, digest: &str) -> bool {
        let known = lock(&self.used).get(digest).copied();
        if known.is_some_and(|used| !bundle::must_touch(cx.clock.age(used))) {
            return true;
        }
        match store(cx, tenant, pem, digest).await {
            Ok(Some(used)) => {
                let mut all = lock(&self.used);
                if let Some(known) = all.get_or_insert_with(digest.to_owned(), || used) {
                    *known = used;
                }
                true
            }
            Ok(None) => {
                tracing::warn!(
                    namespace = tenant,
                    most = bundle::MOST,
                    "the namespace uses more CA bundles than are stored once; further records hold theirs"
                );
                false
            }
            Err(error) => {
                tracing::warn!(%error, secret = bundle::name(digest), "the CA bundle cannot be stored once; the record holds it");
                false
            }
        }
    }
}

/// Stores a bundle or uses it anew; when it was last used. `None`: the namespace has too many.
async fn store(cx: &Context, tenant: &str, pem: &str, digest: &str) -> Result<Option<i64>, ApiError> {
    let home = &cx.here.namespace;
    let mut last = ApiError::Conflict;
    for _ in 0..3 {
        let now = cx.clock.now();
        let written = if let Some((_, stored)) = cx.secrets.bundle(home, digest).await? {
            if !bundle::must_touch(cx.clock.age(stored.last_used)) {
                return Ok(Some(stored.last_used));
            }
            cx.secrets.touch_bundle(home, &stored, now).await
        } else {
            if cx.secrets.bundles(home, Some(tenant)).await?.len() >= bundle::MOST {
                return Ok(None);
            }
            let made = bundle::secret(pem, home, tenant, now);
            cx.secrets.create(&made).await.map(drop)
        };
        match written {
            Ok(()) => return Ok(Some(now)),
            Err(error @ (ApiError::Conflict | ApiError::AlreadyExists | ApiError::NotFound)) => last = error,
            Err(error) => return Err(error),
        }
    }
    Err(last)
}

/// Collects bundles until told to stop.
pub(super) async fn run(cx: Arc<Context>) {
    loop {
        tokio::select! {
            () = cx.stopping.cancelled() => return,
            () = cx.clock.sleep(EVERY) => {}
        }
        if !cx.leadership.leads() {
            continue;
        }
        if let Err(error) = collect(&cx).await {
            tracing::warn!(%error, "unused CA bundles cannot be removed; the operator tries again in an hour");
        }
    }
}

async fn collect(cx: &Context) -> Result<(), ApiError> {
    let home = &cx.here.namespace;
    for stored in cx.secrets.bundles(home, None).await? {
        if cx.stopping.is_cancelled() || !cx.leadership.leads() {
            return Ok(());
        }
        if bundle::may_collect(cx.clock.age(stored.last_used)) {
            remove(cx, &stored).await?;
        }
    }
    Ok(())
}

/// Removes a bundle that no record refers to, unless it was used since it was seen.
async fn remove(cx: &Context, stored: &StoredBundle) -> Result<(), ApiError> {
    let home = &cx.here.namespace;
    if cx.secrets.refers_to_bundle(home, stored.digest()).await? {
        return Ok(());
    }
    match cx.secrets.delete(home, &stored.name, &stored.revision).await {
        Ok(()) => {
            tracing::info!(secret = stored.name, "removed a CA bundle that no record refers to");
            Ok(())
        }
        Err(ApiError::Conflict) => Ok(()),
        Err(error) => Err(error),
    }
}
