//! The dependency rule: `domain` decides and is pure, `provider` knows no Kubernetes, `cluster` knows no provider, and only
//! `controller` joins them.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::fs;
use std::path::{Path, PathBuf};

/// What the source files of a part may not mention.
const RULES: [(&str, &[&str]); 4] = [
    (
        "src/domain",
        &[
            "crate::cluster",
            "crate::controller",
            "crate::provider",
            "kube::Api",
            "kube::Client",
            "kube::api::",
            "kube::runtime",
            "reqwest",
            "tokio",
            "async ",
            "SystemTime",
            "Instant",
            "Timestamp::now",
        ],
    ),
    (
        "src/provider",
        &["crate::cluster", "crate::controller", "kube::", "k8s_openapi"],
    ),
    ("src/cluster", &["crate::provider", "crate::controller", "reqwest"]),
    ("src/api", &["crate::"]),
];

fn sources(directory: &Path) -> Vec<PathBuf> {
    fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .flat_map(|path| if path.is_dir() { sources(&path) } else { vec![path] })
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .collect()
}

#[test]
fn every_part_knows_only_what_it_may() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut broken = Vec::new();
    for (part, forbidden) in RULES {
        let files = sources(&root.join(part));
        assert!(!files.is_empty(), "{part} has no source files");
        for file in files {
            let text = fs::read_to_string(&file).unwrap();
            let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
            let found = code.flat_map(|line| forbidden.iter().filter(move |word| line.contains(**word)));
            broken.extend(found.map(|word| format!("{} mentions {word}", file.display())));
        }
    }
    assert_eq!(broken, Vec::<String>::new());
}

/// The list of profiles, which tells the API server their names.
const DECLARED: &str = "src/api/provider.rs";
/// The table of profiles.
const TABLE: &str = "src/domain/profile.rs";
/// A rule of the definitions that the table cannot hold: the API server looks at it before the operator does.
const RULE: &str = "self.profile == 'wso2'";

/// The code of a file: without comments, and without the tests at its end.
fn code(text: &str) -> String {
    let code = text.split("\nmod tests {").next().unwrap_or_default();
    let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
    lines.collect::<Vec<_>>().join("\n")
}

/// Names of the profiles, in Rust and in manifests.
fn profiles(declared: &str) -> Vec<String> {
    let (_, body) = declared.split_once("pub enum Profile {").unwrap();
    let body = body.split("\n}").next().unwrap();
    let lines = body.lines().map(str::trim);
    lines
        .filter_map(|line| {
            let renamed = line
                .strip_prefix("#[serde(rename = \"")
                .and_then(|rest| rest.split('"').next());
            let variant = line.strip_suffix(',').filter(|name| !name.contains(['/', '(', ' ']));
            renamed.or(variant).map(str::to_owned)
        })
        .collect()
}

#[test]
fn w104_only_the_table_of_profiles_names_a_profile() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let declared = fs::read_to_string(root.join(DECLARED)).unwrap();
    let names = profiles(&declared);
    assert!(names.len() >= 8 && names.contains(&"keycloak".to_owned()), "{names:?}");
    let mut found = Vec::new();
    for file in sources(&root.join("src")) {
        let path = file.strip_prefix(root).unwrap().display().to_string();
        let is_test = path.contains("/tests/") || path.ends_with("/tests.rs") || path.contains("/explorer/");
        if path == TABLE || is_test {
            continue;
        }
        let mut text = code(&fs::read_to_string(&file).unwrap());
        if path == DECLARED {
            let (before, rest) = text.split_once("pub enum Profile {").unwrap();
            let after = rest.split_once("\n}").unwrap().1;
            text = format!("{before}{after}").replace(RULE, "");
        }
        for name in &names {
            let forms = [format!("Profile::{name}"), format!("\"{name}\""), format!("'{name}'")];
            found.extend(
                forms
                    .iter()
                    .filter(|form| text.contains(form.as_str()))
                    .map(|form| format!("{path} names {form}")),
            );
        }
    }
    assert_eq!(found, Vec::<String>::new());
}
