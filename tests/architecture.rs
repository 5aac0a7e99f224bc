//! The dependency rule: `domain` decides and is pure, `provider` knows no Kubernetes, `cluster` knows no provider, and only
//! `controller` joins them.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// What the source files of a part may not mention.
const RULES: [(&str, &[&str]); 5] = [
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
    // Its world is made of models.
    (
        "tests/explorer/src",
        &["kube::Api", "kube::Client", "reqwest", "tokio", "SystemTime", "Instant"],
    ),
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

/// Parts in which no module uses one that uses it, directly or by way of others.
const WITHOUT_CIRCLES: [&str; 3] = ["domain", "provider", "cluster"];

/// The modules of a part, each with the sibling modules that its files use. Tests at the end of a file do not count.
fn uses(part: &str) -> BTreeMap<String, BTreeSet<String>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(part);
    let mut uses: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for file in sources(&root) {
        let inner = file.strip_prefix(&root).unwrap().with_extension("");
        let path: Vec<String> = inner.iter().map(|part| part.to_string_lossy().into_owned()).collect();
        let is_test = path.iter().any(|part| part == "tests" || part == "double");
        if path == ["mod"] || is_test {
            continue;
        }
        let depth = path.len() - usize::from(path.last().is_some_and(|last| last == "mod"));
        let above = "super::".repeat(depth);
        let text = code(&fs::read_to_string(&file).unwrap());
        let found = uses.entry(path[0].clone()).or_default();
        for line in text.split(';') {
            let Some(import) = line
                .trim()
                .trim_start_matches("pub ")
                .trim_start_matches("pub(super) ")
                .strip_prefix("use ")
            else {
                continue;
            };
            let rest = import
                .strip_prefix(&format!("crate::{part}::"))
                .or_else(|| import.strip_prefix(&above).filter(|rest| !rest.starts_with("super::")));
            let names = rest.unwrap_or_default().trim_start_matches('{').trim_end_matches('}');
            let firsts = names.split(", ").filter_map(|name| name.split([':', ' ']).next());
            found.extend(firsts.map(str::to_owned));
        }
    }
    let modules: BTreeSet<String> = uses.keys().cloned().collect();
    for (module, used) in &mut uses {
        used.retain(|name| name != module && modules.contains(name));
    }
    uses
}

#[test]
fn no_module_uses_one_that_uses_it() {
    let mut circles = Vec::new();
    for part in WITHOUT_CIRCLES {
        let uses = uses(part);
        assert!(uses.len() > 5, "{part}: {uses:?}");
        for module in uses.keys() {
            let mut reached = BTreeSet::new();
            let mut waiting: Vec<&String> = uses[module].iter().collect();
            while let Some(next) = waiting.pop() {
                if reached.insert(next) {
                    waiting.extend(&uses[next]);
                }
            }
            if reached.contains(module) {
                circles.push(format!("{part}::{module} uses {:?}", uses[module]));
            }
        }
    }
    assert!(circles.is_empty(), "{circles:#?}");
}

/// The table of profiles, with the list of them that tells the API server their names.
const TABLE: &str = "src/api/profile.rs";

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
    let declared = fs::read_to_string(root.join(TABLE)).unwrap();
    let names = profiles(&declared);
    assert!(names.len() >= 32 && names.contains(&"keycloak".to_owned()), "{names:?}");
    let mut found = Vec::new();
    for file in sources(&root.join("src")) {
        let path = file.strip_prefix(root).unwrap().display().to_string();
        let is_test = path.contains("/tests/") || path.ends_with("/tests.rs") || path.contains("/explorer/");
        if path == TABLE || is_test {
            continue;
        }
        let text = code(&fs::read_to_string(&file).unwrap());
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
