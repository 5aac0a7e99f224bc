//! The list of faults and what shows that each is survived: a catalogue joined with the names of the tests.
//!
//! A test belongs to a fault if its name starts with the fault's identifier, in small letters: `t17_...`, `w25_...`.

use std::collections::BTreeMap;
use std::fmt::Write as _;

/// The catalogue.
#[derive(Debug, Default)]
pub struct Catalogue {
    entries: Vec<Entry>,
}

#[derive(Debug)]
enum Entry {
    Heading(String),
    Fault(Fault),
}

#[derive(Debug)]
struct Fault {
    id: String,
    title: String,
    without: Option<Without>,
}

/// Why a fault may have no test.
#[derive(Debug)]
enum Without {
    Open(String),
    Command(String),
}

impl Catalogue {
    /// Reads the catalogue's text; the error names every line that cannot be read.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut catalogue = Self::default();
        let mut problems: Vec<String> = Vec::new();
        let prose = |line: &&str| !line.is_empty() && (!line.starts_with('#') || line.starts_with("## "));
        for line in text.lines().map(str::trim).filter(prose) {
            match line.strip_prefix("## ") {
                Some(heading) => catalogue.entries.push(Entry::Heading(heading.to_owned())),
                None => match Fault::parse(line) {
                    Some(fault) if catalogue.faults().all(|known| known.id != fault.id) => {
                        catalogue.entries.push(Entry::Fault(fault));
                    }
                    Some(fault) => problems.push(format!("{} stands twice", fault.id)),
                    None => problems.push(format!("cannot be read: {line}")),
                },
            }
        }
        if problems.is_empty() {
            Ok(catalogue)
        } else {
            Err(problems.join("\n"))
        }
    }

    fn faults(&self) -> impl Iterator<Item = &Fault> {
        self.entries.iter().filter_map(|entry| match entry {
            Entry::Fault(fault) => Some(fault),
            Entry::Heading(_) => None,
        })
    }

    /// Joins the catalogue with what `cargo test -- --list` prints, and writes the page.
    ///
    /// The error names each fault that has neither a test nor a reason for having none, each that is called open and has a
    /// test, and each test whose name starts with an identifier that there is not.
    pub fn page(&self, list: &str) -> Result<String, String> {
        let tests = tests_by_id(list);
        let mut problems = Vec::new();
        for (id, names) in &tests {
            if self.faults().all(|fault| fault.id != *id) {
                problems.push(format!(
                    "the catalogue has no {id}, which is named by {}",
                    names.join(", ")
                ));
            }
        }
        let mut page = String::from(
            "# Faults\n\n<!-- Generated from tests/faults.txt and the names of the tests. Do not edit; run .ci/generate. -->\n\n\
             What can go wrong, and the tests that show what happens then. A test's name starts with the identifier of its fault.\n",
        );
        for entry in &self.entries {
            let fault = match entry {
                Entry::Heading(heading) => {
                    let _ = writeln!(page, "\n## {heading}\n\n| | Fault | Shown by |\n|---|---|---|");
                    continue;
                }
                Entry::Fault(fault) => fault,
            };
            let names = tests.get(&fault.id);
            let shown = match (&fault.without, names) {
                (None, None) => {
                    problems.push(format!("{} has no test and no reason for having none", fault.id));
                    continue;
                }
                (Some(Without::Open(_)), Some(names)) => {
                    problems.push(format!(
                        "{} is called open and has the test {}",
                        fault.id,
                        names.join(", ")
                    ));
                    continue;
                }
                (Some(Without::Open(reason)), None) => format!("open: {reason}"),
                (Some(Without::Command(command)), None) => format!("command: {command}"),
                (without, Some(names)) => {
                    let mut shown: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
                    if let Some(Without::Command(command)) = without {
                        shown.push(format!("command: {command}"));
                    }
                    shown.join("<br>")
                }
            };
            let _ = writeln!(page, "| {} | {} | {shown} |", fault.id, fault.title);
        }
        let with_test = self.faults().filter(|fault| tests.contains_key(&fault.id)).count();
        let all = self.faults().count();
        let _ = writeln!(page, "\n{with_test} of {all} have a test.");
        if problems.is_empty() {
            Ok(page)
        } else {
            Err(problems.join("\n"))
        }
    }
}

impl Fault {
    fn parse(line: &str) -> Option<Self> {
        let (head, without) = match line.split_once(" | ") {
            Some((head, why)) => (head, Some(why)),
            None => (line, None),
        };
        let without = match without {
            None => None,
            Some(why) => Some(match why.split_once(": ")? {
                ("open", reason) => Without::Open(reason.to_owned()),
                ("command", command) => Without::Command(command.to_owned()),
                _ => return None,
            }),
        };
        let (id, title) = head.split_once(' ')?;
        is_id(id, char::is_ascii_uppercase).then(|| Self {
            id: id.to_owned(),
            title: title.trim().to_owned(),
            without,
        })
    }
}

/// One letter of T and W, and two or three digits.
fn is_id(text: &str, case: fn(&char) -> bool) -> bool {
    let mut characters = text.chars();
    let letter = characters.next().filter(case).map(|letter| letter.to_ascii_uppercase());
    let digits = characters.as_str();
    matches!(letter, Some('T' | 'W'))
        && matches!(digits.len(), 2 | 3)
        && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// Names of tests without their modules, by the identifier that they start with.
fn tests_by_id(list: &str) -> BTreeMap<String, Vec<String>> {
    let mut tests: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for path in list.lines().filter_map(|line| line.strip_suffix(": test")) {
        let name = path.rsplit("::").next().unwrap_or(path);
        if let Some((id, _)) = name
            .split_once('_')
            .filter(|(id, _)| is_id(id, char::is_ascii_lowercase))
        {
            tests.entry(id.to_ascii_uppercase()).or_default().push(name.to_owned());
        }
    }
    for names in tests.values_mut() {
        names.sort();
        names.dedup();
    }
    tests
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str =
        "a::b::t01_one: test\nw02_two: test\nwatch: test\nsrc/lib.rs - (line 3): test\n3 tests, 0 benchmarks\n";

    fn page(catalogue: &str) -> Result<String, String> {
        Catalogue::parse(catalogue).unwrap().page(LIST)
    }

    #[test]
    fn tests_are_found_by_their_names() {
        let page =
            page("# x\n## Part\nT01 First\nW02 Second\nT03 Third | open: not built\nT04 Fourth | command: cargo x\n")
                .unwrap();
        for line in [
            "## Part",
            "| T01 | First | `t01_one` |",
            "| W02 | Second | `w02_two` |",
            "| T03 | Third | open: not built |",
            "| T04 | Fourth | command: cargo x |",
            "2 of 4 have a test.",
        ] {
            assert!(page.contains(line), "{line}\n{page}");
        }
    }

    #[test]
    fn a_fault_has_a_test_or_a_reason_and_not_both() {
        let problems = page("T01 First | open: not built\nW02 Second\nT05 Fifth\n").unwrap_err();
        assert_eq!(
            problems,
            "T01 is called open and has the test t01_one\nT05 has no test and no reason for having none"
        );
    }

    #[test]
    fn a_test_of_no_fault_is_told() {
        let problems = page("T01 First\n").unwrap_err();
        assert_eq!(problems, "the catalogue has no W02, which is named by w02_two");
    }

    #[test]
    fn what_cannot_be_read_is_told() {
        let problems = Catalogue::parse("T1 x\nT01 x | why: y\nT02 x\nT02 y\n").unwrap_err();
        assert_eq!(problems.lines().count(), 3, "{problems}");
    }

    /// The catalogue of this repository holds every identifier of its two sources.
    #[test]
    fn the_catalogue_is_whole() {
        let catalogue = Catalogue::parse(include_str!("../../faults.txt")).unwrap();
        let wire: Vec<&str> = catalogue
            .faults()
            .map(|fault| fault.id.as_str())
            .filter(|id| id.starts_with('W'))
            .collect();
        assert_eq!(wire, (1..=70).map(|number| format!("W{number:02}")).collect::<Vec<_>>());
        assert_eq!(catalogue.faults().count() - wire.len(), 80);
    }
}
