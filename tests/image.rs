//! What the image and the workflows take for granted about the repository: no container engine runs here.

#![allow(clippy::unwrap_used, reason = "a test that cannot read its files has failed")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::Value;

fn file(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}

/// Paths that the Dockerfile copies from the repository.
fn copied() -> BTreeSet<String> {
    let text = file("Dockerfile");
    let lines = text.lines().filter_map(|line| line.strip_prefix("COPY "));
    let lines = lines.filter(|line| !line.starts_with("--from"));
    lines
        .flat_map(|line| {
            let mut paths: Vec<_> = line.split(' ').map(str::to_owned).collect();
            paths.pop();
            paths
        })
        .collect()
}

#[test]
fn the_image_is_built_from_the_sources_and_the_manifests_of_all_members_and_nothing_else() {
    let cargo = file("Cargo.toml");
    let members = cargo.lines().find_map(|line| line.strip_prefix("members = [")).unwrap();
    let members = members.split('"').filter(|member| member.starts_with("tests/"));
    let mut wanted: BTreeSet<_> = members.map(|member| format!("{member}/Cargo.toml")).collect();
    wanted.extend(["Cargo.toml", "Cargo.lock", "src"].map(str::to_owned));
    assert_eq!(copied(), wanted, "COPY in the Dockerfile");

    let ignored = file(".dockerignore");
    let mut rules = ignored.lines().filter(|line| !line.starts_with('#'));
    assert_eq!(rules.next(), Some("*"));
    let kept: BTreeSet<_> = rules.clone().filter_map(|rule| rule.strip_prefix('!')).collect();
    for path in &wanted {
        assert!(kept.contains(path.as_str()), ".dockerignore lets {path} out");
    }
    // A directory that is let in again is emptied but for its manifest.
    for directory in kept
        .iter()
        .filter(|path| path.starts_with("tests") && !path.contains('.'))
    {
        assert!(
            rules.clone().any(|rule| rule == format!("{directory}/*")),
            "{directory} is whole"
        );
    }
}

#[test]
fn the_image_is_built_by_the_pinned_toolchain() {
    let toolchain = file("rust-toolchain.toml");
    let version = toolchain.split('"').nth(1).unwrap();
    let dockerfile = file("Dockerfile");
    assert!(dockerfile.contains(&format!("FROM rust:{version}-")));
    assert!(dockerfile.contains(&format!("RUSTUP_TOOLCHAIN={version}")));
}

#[test]
fn the_image_and_the_chart_have_the_version_of_the_crate() {
    let version = env!("CARGO_PKG_VERSION");
    assert!(file("Dockerfile").contains(&format!("ARG VERSION={version}\n")));
    let chart: Value = serde_yaml::from_str(&file("charts/oauth-client-operator/Chart.yaml")).unwrap();
    assert_eq!(
        (&chart["version"], &chart["appVersion"]),
        (&version.into(), &version.into())
    );
    // The lines that the release looks for and writes.
    let (cargo, values) = (file("Cargo.toml"), file("charts/oauth-client-operator/values.yaml"));
    assert!(cargo.lines().any(|line| line == format!("version = \"{version}\"")));
    for line in ["  repository: oauth-client-operator", "  digest: \"\""] {
        assert!(values.lines().any(|found| found == line), "{line}");
    }
}

#[test]
fn the_workflows_ask_for_few_rights_and_call_what_exists() {
    for name in ["ci", "release"] {
        let text = file(&format!(".github/workflows/{name}.yaml"));
        let workflow: Value = serde_yaml::from_str(&text).unwrap();
        assert_eq!(
            workflow["permissions"],
            serde_json::json!({"contents": "read"}),
            "{name}"
        );
        for (job, definition) in workflow["jobs"].as_object().unwrap() {
            assert!(definition["timeout-minutes"].is_u64(), "{name}: {job}");
            for step in definition["steps"].as_array().unwrap() {
                let uses = step["uses"].as_str().unwrap_or("none@v1");
                assert!(!uses.ends_with("@main") && !uses.ends_with("@master"), "{uses}");
            }
        }
    }
    assert!(file(".github/workflows/ci.yaml").contains("run: .ci/run\n"));
    assert!(!file(".ci/run").is_empty());
}
