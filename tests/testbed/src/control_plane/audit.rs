//! Counts requests from the API server's audit log.
//!
//! The log holds one line for each request, written before the next step of the server's work, without
//! bodies. [`Audit::mark`] remembers a place in it, [`Audit::since`] reads what came after, and
//! [`Requests`] narrows that down.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::ControlPlaneError;

/// The audit log of one API server.
#[derive(Debug)]
pub struct Audit {
    path: PathBuf,
    config: kube::Config,
}

/// A place in the log; the default is its beginning.
#[derive(Clone, Copy, Debug, Default)]
pub struct Mark(u64);

/// One request that the API server has answered; a watch counts when it has begun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Who asked, as `system:serviceaccount:NAMESPACE:NAME`.
    pub user: String,
    /// The client program's `User-Agent`.
    pub user_agent: String,
    /// Verb of RBAC: `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`, `deletecollection`.
    pub verb: String,
    /// API group; empty for the core group and for paths that are no objects.
    pub group: String,
    /// Plural resource; empty for paths that are no objects.
    pub resource: String,
    /// Subresource, or empty.
    pub subresource: String,
    /// Namespace, or empty.
    pub namespace: String,
    /// Name, or empty.
    pub name: String,
    /// Path and query.
    pub uri: String,
    /// Status code of the answer.
    pub code: u16,
    /// When it came in: RFC 3339 with microseconds, UTC.
    pub received: String,
}

impl Request {
    /// Whether nothing was to be stored.
    #[must_use]
    pub fn is_dry_run(&self) -> bool {
        self.uri.split(['?', '&']).any(|part| part.starts_with("dryRun="))
    }

    /// Whether it was to change something, dry runs apart.
    #[must_use]
    pub fn is_write(&self) -> bool {
        let changes = matches!(
            self.verb.as_str(),
            "create" | "update" | "patch" | "delete" | "deletecollection"
        );
        changes && !self.is_dry_run()
    }

    fn parse(line: &str) -> Option<Self> {
        let event: serde_json::Value = serde_json::from_str(line).ok()?;
        let text = |pointer: &str| {
            event
                .pointer(pointer)
                .and_then(|value| value.as_str())
                .unwrap_or_default()
                .to_owned()
        };
        let verb = text("/verb");
        let counted = if verb == "watch" {
            "ResponseStarted"
        } else {
            "ResponseComplete"
        };
        if text("/stage") != counted {
            return None;
        }
        Some(Self {
            user: text("/user/username"),
            user_agent: text("/userAgent"),
            group: text("/objectRef/apiGroup"),
            resource: text("/objectRef/resource"),
            subresource: text("/objectRef/subresource"),
            namespace: text("/objectRef/namespace"),
            name: text("/objectRef/name"),
            uri: text("/requestURI"),
            code: event
                .pointer("/responseStatus/code")
                .and_then(serde_json::Value::as_u64)
                .and_then(|code| code.try_into().ok())
                .unwrap_or(0),
            received: text("/requestReceivedTimestamp"),
            verb,
        })
    }
}

impl Audit {
    pub(super) fn new(path: PathBuf, config: kube::Config) -> Self {
        Self { path, config }
    }

    /// The end of the log as it is now. Requests under way may still be logged after it.
    #[must_use]
    pub fn mark(&self) -> Mark {
        Mark(std::fs::metadata(&self.path).map_or(0, |file| file.len()))
    }

    /// The requests logged after a mark, in the order in which they ended.
    ///
    /// Sends a request of its own and waits until the log has it, so that whatever was answered before
    /// this call is counted; that request is not in the result.
    pub async fn since(&self, mark: Mark) -> Result<Requests, ControlPlaneError> {
        static COUNTER: AtomicU64 = AtomicU64::new(0);
        const LIMIT: Duration = Duration::from_secs(10);
        let probe = format!(
            "/version?testbed={}-{}",
            std::process::id(),
            COUNTER.fetch_add(1, Ordering::Relaxed)
        );
        let api = || ControlPlaneError::api("cannot reach the API server to settle its audit log");
        let client = kube::Client::try_from(self.config.clone()).map_err(api())?;
        let request = http::Request::get(&probe)
            .body(Vec::new())
            .map_err(kube::Error::HttpError)
            .map_err(api())?;
        client.request_text(request).await.map_err(api())?;
        let settled = async {
            loop {
                let mut requests = self.read(mark)?;
                if let Some(end) = requests.0.iter().position(|request| request.uri == probe) {
                    requests.0.truncate(end);
                    requests
                        .0
                        .retain(|request| !request.uri.starts_with("/version?testbed="));
                    return Ok(requests);
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let late = |_| ControlPlaneError::Late {
            what: "the audit log's entry for a request".into(),
            seconds: LIMIT.as_secs(),
        };
        tokio::time::timeout(LIMIT, settled).await.map_err(late)?
    }

    fn read(&self, mark: Mark) -> Result<Requests, ControlPlaneError> {
        let io = || ControlPlaneError::io(&self.path);
        let mut file = std::fs::File::open(&self.path).map_err(io())?;
        file.seek(SeekFrom::Start(mark.0)).map_err(io())?;
        let mut text = String::new();
        file.read_to_string(&mut text).map_err(io())?;
        // The last line may be half written.
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        Ok(Requests(whole.lines().filter_map(Request::parse).collect()))
    }
}

/// A list of requests. Printed, it is a table of counts, for the messages of assertions.
#[derive(Clone, Debug, Default)]
pub struct Requests(Vec<Request>);

impl Requests {
    /// Those that fit.
    #[must_use]
    pub fn filter(self, fits: impl Fn(&Request) -> bool) -> Self {
        Self(self.0.into_iter().filter(fits).collect())
    }

    /// Those of a user, as [`Request::user`].
    #[must_use]
    pub fn by(self, user: &str) -> Self {
        self.filter(|request| request.user == user)
    }

    /// Those of a ServiceAccount.
    #[must_use]
    pub fn by_service_account(self, namespace: &str, name: &str) -> Self {
        self.by(&format!("system:serviceaccount:{namespace}:{name}"))
    }

    /// Those on objects of a namespace.
    #[must_use]
    pub fn in_namespace(self, namespace: &str) -> Self {
        self.filter(|request| request.namespace == namespace)
    }

    /// Those on a plural resource, its subresources included.
    #[must_use]
    pub fn on(self, resource: &str) -> Self {
        self.filter(|request| request.resource == resource)
    }

    /// Those that were to change something, dry runs apart.
    #[must_use]
    pub fn writes(self) -> Self {
        self.filter(Request::is_write)
    }

    /// The dry runs.
    #[must_use]
    pub fn dry_runs(self) -> Self {
        self.filter(Request::is_dry_run)
    }

    /// Those that the server carried out: 2xx.
    #[must_use]
    pub fn accepted(self) -> Self {
        self.filter(|request| (200..300).contains(&request.code))
    }

    /// How many they are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Each of them.
    pub fn iter(&self) -> std::slice::Iter<'_, Request> {
        self.0.iter()
    }

    /// How many there are of each (user, verb, resource or resource/subresource, code).
    #[must_use]
    pub fn counts(&self) -> BTreeMap<(String, String, String, u16), usize> {
        let mut counts = BTreeMap::new();
        for request in &self.0 {
            let verb = if request.is_dry_run() {
                format!("{} (dry run)", request.verb)
            } else {
                request.verb.clone()
            };
            let resource = match (request.resource.as_str(), request.subresource.as_str()) {
                ("", _) => request.uri.clone(),
                (resource, "") => resource.to_owned(),
                (resource, subresource) => format!("{resource}/{subresource}"),
            };
            *counts
                .entry((request.user.clone(), verb, resource, request.code))
                .or_default() += 1;
        }
        counts
    }
}

impl<'a> IntoIterator for &'a Requests {
    type Item = &'a Request;
    type IntoIter = std::slice::Iter<'a, Request>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Display for Requests {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} requests", self.len())?;
        for ((user, verb, resource, code), count) in self.counts() {
            write!(f, "\n{count:6} x {verb} {resource} by {user}: {code}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(stage: &str, verb: &str, uri: &str) -> String {
        format!(
            r#"{{"kind":"Event","level":"Metadata","stage":"{stage}","requestURI":"{uri}","verb":"{verb}","user":{{"username":"system:serviceaccount:a:b"}},"objectRef":{{"resource":"secrets","namespace":"n","name":"s","apiVersion":"v1"}},"responseStatus":{{"code":201}},"requestReceivedTimestamp":"2026-01-01T00:00:00.000000Z"}}"#
        )
    }

    #[test]
    fn dry_runs_are_no_writes_and_watches_count_once() {
        let lines = [
            line("ResponseComplete", "create", "/api/v1/namespaces/n/secrets"),
            line(
                "ResponseComplete",
                "create",
                "/api/v1/namespaces/n/secrets?fieldManager=x&dryRun=All",
            ),
            line("ResponseComplete", "get", "/api/v1/namespaces/n/secrets/s"),
            line("ResponseStarted", "watch", "/api/v1/namespaces/n/secrets?watch=1"),
            line("ResponseComplete", "watch", "/api/v1/namespaces/n/secrets?watch=1"),
        ];
        let requests = Requests(lines.iter().filter_map(|line| Request::parse(line)).collect());
        assert_eq!(requests.len(), 4);
        assert_eq!(requests.clone().writes().len(), 1);
        assert_eq!(requests.clone().dry_runs().len(), 1);
        assert_eq!(
            requests
                .clone()
                .by_service_account("a", "b")
                .in_namespace("n")
                .on("secrets")
                .len(),
            4
        );
        assert!(
            requests
                .to_string()
                .contains("1 x create (dry run) secrets by system:serviceaccount:a:b: 201")
        );
    }
}
