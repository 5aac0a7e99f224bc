//! The dependency rule: `domain` decides and is pure, `provider` knows no Kubernetes, `cluster` knows no provider, and only
//! `controller` joins them.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

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
