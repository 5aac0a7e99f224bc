//! The documentation as a book: every page is in its table of contents, and no link leads nowhere.

#![allow(clippy::unwrap_used, reason = "a test that cannot read its files has failed")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The pages below a directory.
fn pages(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            pages(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "md") {
            found.push(path);
        }
    }
}

/// A page without its blocks of code, in which brackets are no links.
fn prose(text: &str) -> String {
    let mut code = false;
    let lines = text.lines().filter(|line| {
        let fence = line.trim_start().starts_with("```");
        code ^= fence;
        !code && !fence
    });
    lines.fold(String::new(), |text, line| text + line + "\n")
}

/// Where the links of a page lead.
fn links(text: &str) -> Vec<String> {
    // Within a line, too, code holds no links.
    let lines = prose(text);
    let text: String = lines
        .lines()
        .flat_map(|line| line.split('`').step_by(2).chain(["\n"]))
        .collect();
    let ends = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    ends.map(str::to_owned).collect()
}

/// The anchors of a page: its headings as GitHub and mdBook write them.
fn anchors(text: &str) -> BTreeSet<String> {
    let text = prose(text);
    let headings = text.lines().filter(|line| line.starts_with('#'));
    headings
        .map(|line| {
            let heading = line.trim_start_matches('#').trim().to_lowercase();
            let kept = heading
                .chars()
                .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
            kept.map(|c| if c == ' ' { '-' } else { c }).collect()
        })
        .collect()
}

#[test]
fn every_page_of_the_documentation_is_in_the_table_of_contents() {
    let docs = root().join("docs");
    let mut found = Vec::new();
    pages(&docs, &mut found);
    let summary = fs::read_to_string(docs.join("SUMMARY.md")).unwrap();
    let named: Vec<_> = links(&summary);
    let distinct: BTreeSet<_> = named.iter().cloned().collect();
    assert_eq!(named.len(), distinct.len(), "a page is named twice");
    let pages = found
        .iter()
        .map(|page| page.strip_prefix(&docs).unwrap().to_string_lossy().into_owned());
    // Examples are manifests; what introduces them is read beside them.
    let wanted: BTreeSet<_> = pages
        .filter(|page| page != "SUMMARY.md" && !page.starts_with("examples/"))
        .collect();
    assert_eq!(distinct, wanted);
}

#[test]
fn every_relative_link_leads_to_a_file_and_to_a_heading_of_it() {
    let mut found = Vec::new();
    pages(&root().join("docs"), &mut found);
    for page in [
        "README.md",
        "CONTRIBUTING.md",
        "SECURITY.md",
        "CHANGELOG.md",
        "charts/oauth-client-operator/README.md",
    ] {
        found.push(root().join(page));
    }
    let mut count = 0;
    for page in found {
        let text = fs::read_to_string(&page).unwrap();
        for link in links(&text)
            .iter()
            .filter(|link| !link.contains("://") && !link.starts_with("mailto:"))
        {
            let (path, anchor) = link
                .split_once('#')
                .map_or((link.as_str(), None), |(path, anchor)| (path, Some(anchor)));
            let target = if path.is_empty() {
                page.clone()
            } else {
                page.parent().unwrap().join(path)
            };
            assert!(target.exists(), "{}: {link}", page.display());
            // In the book there is nothing beside the pages.
            let docs = root().join("docs").canonicalize().unwrap();
            let leaves = page.starts_with(root().join("docs")) && !target.canonicalize().unwrap().starts_with(docs);
            assert!(!leaves, "{}: {link} leaves the book", page.display());
            if let Some(anchor) = anchor {
                let text = fs::read_to_string(&target).unwrap();
                assert!(anchors(&text).contains(anchor), "{}: {link}", page.display());
            }
            count += 1;
        }
    }
    assert!(count > 100, "{count} links");
}
