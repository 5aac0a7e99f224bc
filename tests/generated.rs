//! Generated files are what the types of today generate.
//!
//! With `UPDATE_GENERATED=1` (see `.ci/generate`) the files are written instead of compared.

#![allow(clippy::unwrap_used, reason = "a test that cannot read its files has failed")]

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use oauth_client_operator::api::Reason;

/// Directories that hold a copy of every definition.
const DEFINITIONS: [&str; 2] = ["crds", "charts/oauth-client-operator/files/crds"];

fn repository() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Compares `file` with what it should hold, or writes it.
fn keep(file: &Path, generated: &str) {
    if std::env::var_os("UPDATE_GENERATED").is_some() {
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, generated).unwrap();
        return;
    }
    let found = fs::read_to_string(file).unwrap_or_default();
    let line = found.lines().zip(generated.lines()).take_while(|(a, b)| a == b).count() + 1;
    assert!(
        found == generated,
        "{} is out of date from line {line} on: run .ci/generate and commit what it writes",
        file.display()
    );
}

#[test]
fn definitions_are_those_that_the_binary_prints() {
    let output = std::env::temp_dir().join(format!("oauth-client-operator-crds-{}", std::process::id()));
    fs::create_dir_all(&output).unwrap();
    let status = Command::new(env!("CARGO_BIN_EXE_oauth-client-operator"))
        .args(["crds", "--output"])
        .arg(&output)
        .status()
        .unwrap();
    assert!(status.success(), "`oauth-client-operator crds` ended with {status}");

    let mut names: Vec<_> = fs::read_dir(&output)
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    names.sort();
    assert_eq!(
        names,
        ["clusteroauthproviders.yaml", "oauthclients.yaml", "oauthproviders.yaml"]
    );
    for name in names {
        let generated = fs::read_to_string(output.join(&name)).unwrap();
        for directory in DEFINITIONS {
            keep(&repository().join(directory).join(&name), &generated);
        }
    }
    fs::remove_dir_all(&output).unwrap();
}

#[test]
fn reasons_are_documented() {
    let mut page = String::from(
        "# Reasons\n\n\
         <!-- Generated from the Rust types. Do not edit; run .ci/generate. -->\n\n\
         Every condition, event and metric of the operator names its cause by one of these words. The list is closed; \
         the message beside the word says what is wrong with your object and what to do.\n\n\
         | Reason | Meaning |\n|---|---|\n",
    );
    for reason in Reason::ALL {
        writeln!(page, "| `{reason}` | {} |", reason.meaning().trim()).unwrap();
    }
    keep(&repository().join("docs/reasons.md"), &page);
}
