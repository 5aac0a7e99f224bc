//! Answers of the double by the name of the client, and what it got.

use testbed::providers::{Fault, Reply, ScriptableProvider, Seen};

use super::Case;

pub fn is_post(seen: &Seen) -> bool {
    seen.method == "POST" && seen.path == "/register"
}

/// From now on registrations are answered by the client's name.
pub fn answers(double: &ScriptableProvider, case: Case, answers: Vec<(&'static str, Reply)>) {
    let answers: Vec<(String, Reply)> = answers
        .into_iter()
        .map(|(suffix, reply)| (case.named(suffix), reply))
        .collect();
    double.script(move |seen| {
        let name = seen.json()["client_name"].as_str().unwrap_or_default().to_owned();
        let found = answers.iter().find(|(named, _)| name.ends_with(&format!(".{named}")));
        found
            .filter(|_| is_post(seen))
            .map(|(_, reply)| Fault::Answer(reply.clone()))
    });
}

/// Registrations of a client, by its name.
pub fn posts(double: &ScriptableProvider, case: Case, suffix: &str) -> usize {
    let end = format!(".{}", case.named(suffix));
    let named = |seen: &Seen| {
        seen.json()["client_name"]
            .as_str()
            .is_some_and(|name| name.ends_with(&end))
    };
    double.seen().iter().filter(|seen| is_post(seen) && named(seen)).count()
}
