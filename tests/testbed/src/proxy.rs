//! A fault proxy before the API server or a provider: it lets single requests fail at an exact moment, or ends the
//! operator there, and keeps a record of every request.
//!
//! ```no_run
//! # async fn example(cluster: &testbed::control_plane::Cluster) -> Result<(), Box<dyn std::error::Error>> {
//! use testbed::process::KillSwitch;
//! use testbed::providers::{OidcProvider, OidcProviderOptions};
//! use testbed::proxy::{Action, Proxy};
//!
//! // Before the API server: requests by verb, resource, namespace, name.
//! let (proxy, kill) = (Proxy::before(cluster).await?, KillSwitch::default());
//! let rule = proxy.once(|asked| asked.verb == "create" && asked.resource == "secrets" && !asked.dry_run, Action::KillAfter(kill));
//! // … run an operator with `via: Some(proxy.endpoint())` and that kill switch …
//! assert_eq!(rule.hits(), 1);
//!
//! // Before a provider, over https: requests by method and path. The provider goes by the proxy's address.
//! let proxy = Proxy::open(true).await?;
//! let issuer = Some(proxy.url().to_owned());
//! let provider = OidcProvider::start(OidcProviderOptions { issuer, ..OidcProviderOptions::default() }).await?;
//! proxy.lead_to(provider.url(), None)?;
//! proxy.nth(2, |asked| asked.method == "POST" && asked.path == "/reg", Action::LoseAnswer);
//! // … an OAuthProvider with `issuer: proxy.url()` and `tls.caBundle: proxy.ca()` …
//! # Ok(()) }
//! ```

mod action;
mod asked;
mod body;
mod listing;
mod record;
mod rules;
mod serve;
mod upstream;
mod watching;

#[cfg(test)]
mod tests;

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

pub use action::{Action, Kept, malformed};
pub use asked::Asked;
pub use record::{Exchange, Place};
pub use rules::Hits;
pub use watching::Hold;

use crate::control_plane::{Cluster, Endpoint};
use crate::tls::{Authority, TlsError};
use rules::Rules;
use serve::Door;
use upstream::Upstream;
use watching::Holds;

/// Why the proxy does not run.
#[derive(Debug, thiserror::Error)]
pub enum ProxyError {
    /// Its certificate could not be made.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// It could not listen.
    #[error("the proxy cannot listen on 127.0.0.1: {0}")]
    Port(#[from] io::Error),
    /// Where it is to lead is no address.
    #[error("{0} is no http or https URL with a host")]
    Upstream(String),
}

/// What everything in the proxy shares.
#[derive(Default)]
struct Shared {
    upstream: Mutex<Option<Arc<Upstream>>>,
    rules: Mutex<Rules>,
    record: Mutex<Vec<Exchange>>,
    holds: Holds,
    door: Door,
    https: bool,
}

/// The proxy; ended on drop.
pub struct Proxy {
    url: String,
    ca: Option<String>,
    shared: Arc<Shared>,
    server: JoinHandle<()>,
}

impl Proxy {
    /// Starts one before the API server of a cluster.
    pub async fn before(cluster: &Cluster) -> Result<Self, ProxyError> {
        let upstream = cluster.endpoint();
        let proxy = Self::open(true).await?;
        proxy.lead_to(&upstream.url, upstream.ca_pem.as_deref())?;
        Ok(proxy)
    }

    /// Starts one that leads nowhere yet: requests end without an answer until [`Proxy::lead_to`].
    pub async fn open(https: bool) -> Result<Self, ProxyError> {
        let (acceptor, ca) = if https {
            let own = Authority::new("fault proxy")?;
            let config = own.issue(&["127.0.0.1", "localhost"])?.server_config()?;
            (Some(TlsAcceptor::from(config)), Some(own.pem().to_owned()))
        } else {
            (None, None)
        };
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let scheme = if https { "https" } else { "http" };
        let url = format!("{scheme}://127.0.0.1:{}", listener.local_addr()?.port());
        let shared = Arc::new(Shared {
            https,
            ..Shared::default()
        });
        let server = tokio::spawn(serve::serve(listener, acceptor, shared.clone()));
        Ok(Self {
            url,
            ca,
            shared,
            server,
        })
    }

    /// From now on requests go there. `ca_pem` is the authority to trust if it is https.
    pub fn lead_to(&self, url: &str, ca_pem: Option<&str>) -> Result<(), ProxyError> {
        let upstream = Upstream::parse(url, ca_pem)?;
        *lock(&self.shared.upstream) = Some(Arc::new(upstream));
        Ok(())
    }

    /// URL without a path.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Authority of its certificate, if it is https.
    #[must_use]
    pub fn ca(&self) -> Option<&str> {
        self.ca.as_deref()
    }

    /// Where it listens: `via` of an operator's options.
    #[must_use]
    pub fn endpoint(&self) -> Endpoint {
        Endpoint {
            url: self.url.clone(),
            ca_pem: self.ca.clone(),
        }
    }

    /// Does this to the next request that fits.
    pub fn once(&self, fits: impl Fn(&Asked) -> bool + Send + 'static, action: Action) -> Hits {
        self.times(1, fits, action)
    }

    /// Does this to the next so many requests that fit.
    pub fn times(&self, times: usize, fits: impl Fn(&Asked) -> bool + Send + 'static, action: Action) -> Hits {
        lock(&self.shared.rules).add(0, times, Box::new(fits), action)
    }

    /// Does this to the nth request from now that fits; the first is 1.
    pub fn nth(&self, nth: usize, fits: impl Fn(&Asked) -> bool + Send + 'static, action: Action) -> Hits {
        lock(&self.shared.rules).add(nth.saturating_sub(1), 1, Box::new(fits), action)
    }

    /// Does this to every request that fits, until [`Proxy::clear`].
    pub fn always(&self, fits: impl Fn(&Asked) -> bool + Send + 'static, action: Action) -> Hits {
        self.times(usize::MAX, fits, action)
    }

    /// Ends every rule.
    pub fn clear(&self) {
        lock(&self.shared.rules).clear();
    }

    /// Withholds the events of every watch that fits, also of those that run already, until it is dropped. The watches
    /// stay open.
    pub fn hold(&self, fits: impl Fn(&Asked) -> bool + Send + 'static) -> Hold {
        Hold::begin(self.shared.clone(), Box::new(fits))
    }

    /// Cuts every connection.
    pub fn cut(&self) {
        self.shared.door.cut();
    }

    /// Cuts every connection and refuses new ones.
    pub fn go_down(&self) {
        self.shared.door.close();
    }

    /// Listens again, at the same address.
    pub fn come_up(&self) {
        self.shared.door.open();
    }

    /// Every request so far.
    #[must_use]
    pub fn asked(&self) -> Vec<Asked> {
        self.exchanges().into_iter().map(|exchange| exchange.asked).collect()
    }

    /// Every request so far with its answer.
    #[must_use]
    pub fn exchanges(&self) -> Vec<Exchange> {
        lock(&self.shared.record).clone()
    }

    /// The place in the record from which to count.
    #[must_use]
    pub fn place(&self) -> Place {
        Place(lock(&self.shared.record).len())
    }

    /// Every request since then with its answer.
    #[must_use]
    pub fn since(&self, place: Place) -> Vec<Exchange> {
        lock(&self.shared.record)[place.0..].to_vec()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// No code panics while it holds one of these locks but a rule of a test, which has failed then.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
