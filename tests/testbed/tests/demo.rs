//! The demo, as `cargo demo` runs it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};

use testbed::process::Scratch;
use testbed::provision::{CACHE, Program, cache_dir};
use testbed::site::Site;

#[tokio::test]
async fn t134_the_demo_shows_its_work_and_needs_no_helm() {
    // All that the demo may use is provided first; then its cache holds everything but Helm.
    for program in [
        Program::Etcd,
        Program::KubeApiserver,
        Program::KubeControllerManager,
        Program::Kubectl,
    ] {
        program.find().await.unwrap();
    }
    drop(Site::oidc_provider().await.unwrap());
    let cache = Scratch::new("demo-cache").unwrap();
    for entry in std::fs::read_dir(cache_dir().unwrap()).unwrap() {
        let entry = entry.unwrap();
        if entry.path().is_dir() && !entry.file_name().to_string_lossy().starts_with("helm-") {
            symlink(entry.path(), cache.path().join(entry.file_name())).unwrap();
        }
    }
    let demo = Path::new(env!("CARGO_BIN_EXE_demo"));
    let mut command = Command::new(demo);
    command.stdin(Stdio::null()).env(CACHE, cache.path());
    // Under `cargo test --workspace` it is there; otherwise the demo builds it.
    let operator = demo.with_file_name(testbed::operator::NAME);
    if operator.is_file() {
        command.env("OAUTH_DEMO_OPERATOR", operator);
    }
    let output = tokio::task::spawn_blocking(move || command.output())
        .await
        .unwrap()
        .unwrap();
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success(), "{said}");
    for part in [
        "three clients registered and Ready",
        "got an access token",
        "the new redirect URI of client",
        "is gone at the provider",
    ] {
        assert!(said.contains(part), "{part}\n{said}");
    }
    let helm = std::fs::read_dir(cache.path())
        .unwrap()
        .any(|entry| entry.unwrap().file_name().to_string_lossy().starts_with("helm-"));
    assert!(!helm, "the demo asked for Helm\n{said}");
}
