//! Pages for those who operate the operator: `docs/logs.md` names every key of the log, and every reason that needs a person has a section.

#![allow(clippy::unwrap_used, reason = "a test that cannot read its files has failed")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use oauth_client_operator::api::Reason;

/// What every line has, and what a line has in the course of a span.
const ALWAYS: [&str; 6] = ["timestamp", "level", "target", "message", "trace_id", "span_id"];

fn sources(directory: &Path) -> Vec<PathBuf> {
    fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .flat_map(|path| if path.is_dir() { sources(&path) } else { vec![path] })
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .collect()
}

/// The keys of a log call: what stands before its message.
fn keys(call: &str) -> BTreeSet<String> {
    let before = call.split('"').next().unwrap_or_default();
    let names = before.split(',').filter_map(|field| {
        let name = field.split('=').next()?.trim().trim_start_matches(['%', '?']);
        let name = name.rsplit('.').next()?;
        (!name.is_empty()).then(|| name.to_owned())
    });
    names.collect()
}

#[test]
fn keys_are_found_in_every_form() {
    let found = keys(r#"object = %self.key, %reason, ?kind, failures, error = cause, "text {}", more"#);
    let wanted = ["object", "reason", "kind", "failures", "error"];
    assert_eq!(found, wanted.map(str::to_owned).into());
}

#[test]
fn t194_every_key_of_the_log_is_documented() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut used: BTreeSet<String> = ALWAYS.map(str::to_owned).into();
    let mut calls = 0;
    for file in sources(&root.join("src")) {
        let text = fs::read_to_string(&file).unwrap();
        for level in ["error", "warn", "info", "debug", "trace"] {
            for call in text.split(&format!("tracing::{level}!(")).skip(1) {
                calls += 1;
                used.extend(keys(call));
            }
        }
    }
    assert!(calls > 40, "only {calls} calls were found");
    let page = fs::read_to_string(root.join("docs/logs.md")).unwrap();
    let (_, page) = page.split_once("\n## Keys\n").unwrap();
    let rows = page
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    let documented: BTreeSet<String> = rows.map(str::to_owned).collect();
    assert_eq!(
        used.difference(&documented).collect::<Vec<_>>(),
        Vec::<&String>::new(),
        "used and not in docs/logs.md"
    );
    assert_eq!(
        documented.difference(&used).collect::<Vec<_>>(),
        Vec::<&String>::new(),
        "in docs/logs.md and not used"
    );
}

#[test]
fn t194_every_reason_that_needs_a_person_has_a_section_in_the_runbook() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("docs/runbooks/reasons.md")).unwrap();
    let sections: BTreeSet<&str> = page.lines().filter_map(|line| line.strip_prefix("## ")).collect();
    let passes = |remedy: &str| ["Nothing to do", "Wait"].iter().any(|start| remedy.starts_with(start));
    let wanted = Reason::ALL.iter().filter(|reason| !passes(reason.remedy()));
    let wanted: BTreeSet<&str> = wanted.map(|reason| reason.as_str()).collect();
    assert_eq!(
        wanted.difference(&sections).collect::<Vec<_>>(),
        Vec::<&&str>::new(),
        "without a section"
    );
    assert_eq!(
        sections.difference(&wanted).collect::<Vec<_>>(),
        Vec::<&&str>::new(),
        "no such reason"
    );
}
