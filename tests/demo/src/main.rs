//! `cargo demo`: says what it does, builds operator and demo with progress, then runs the demo.
//!
//! The demo itself is a program of the testbed, which takes a minute to build. This one has no dependency, so that its first words
//! appear at once.

use std::io::{BufRead as _, BufReader, IsTerminal as _, Write as _};
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

const PLAN: &str = "\
This demo shows the operator with real parts, on this machine:
  1. build the operator and the demo (Rust)
  2. provide etcd, kube-apiserver, kube-controller-manager and kubectl, and a provider: from PATH, the cache or
     the published archives, else built (Go, npm)
  3. start them, register three clients, get an access token, change a client, delete a client
The first run takes several minutes, later runs take seconds. It needs no cluster and no container engine.
";

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    let helps = arguments
        .iter()
        .any(|argument| argument == "--help" || argument == "-h");
    if !helps {
        eprintln!("{PLAN}");
    }
    match build() {
        Ok(built) => run(&built, &arguments),
        Err(error) => {
            eprintln!("the demo could not be built: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The two programs.
struct Built {
    demo: String,
    operator: String,
}

fn build() -> Result<Built, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let lock = std::fs::read_to_string(root.join("Cargo.lock")).unwrap_or_default();
    let crates = lock.matches("[[package]]").count();
    let begun = Instant::now();
    // One call for both, so that what they have in common is built once.
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args([
            "build",
            "--quiet",
            "--locked",
            "--message-format=json-render-diagnostics",
        ])
        .args(["-p", "testbed", "--bin", "demo"])
        .args(["-p", "oauth-client-operator", "--bin", "oauth-client-operator"])
        .current_dir(&root)
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| format!("cannot start cargo: {error}"))?;
    let mut progress = Progress::new(crates);
    let (mut demo, mut operator) = (None, None);
    for line in cargo
        .stdout
        .take()
        .into_iter()
        .flat_map(|output| BufReader::new(output).lines())
    {
        let line = line.map_err(|error| format!("cannot read what cargo says: {error}"))?;
        if !line.contains(r#""reason":"compiler-artifact""#) {
            continue;
        }
        if let Some(program) = member(&line, "executable") {
            let name = Path::new(&program).file_stem().unwrap_or_default().to_owned();
            *(if name == "demo" { &mut demo } else { &mut operator }) = Some(program);
        }
        progress.advance(&line);
    }
    let status = cargo.wait().map_err(|error| format!("cargo: {error}"))?;
    progress.end();
    if !status.success() {
        return Err(format!("cargo build ended with {status}"));
    }
    eprintln!("built operator and demo in {:.1} s", begun.elapsed().as_secs_f64());
    match (demo, operator) {
        (Some(demo), Some(operator)) => Ok(Built { demo, operator }),
        _ => Err("cargo build named no program".to_owned()),
    }
}

fn run(built: &Built, arguments: &[std::ffi::OsString]) -> ExitCode {
    let status = Command::new(&built.demo)
        .args(arguments)
        .env("OAUTH_DEMO_OPERATOR", &built.operator)
        .status();
    match status {
        Ok(status) if status.success() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("cannot run {}: {error}", built.demo);
            ExitCode::FAILURE
        }
    }
}

/// A text member of a JSON object in one line, such as cargo writes.
fn member(line: &str, name: &str) -> Option<String> {
    let (_, rest) = line.rsplit_once(&format!("\"{name}\":\""))?;
    let end = rest.find('"')?;
    Some(rest[..end].replace("\\\\", "\\"))
}

/// Pause between two lines where lines cannot be redrawn.
const PAUSE: Duration = Duration::from_secs(10);

/// How far the build is: a line that is redrawn on a terminal, a line every ten seconds elsewhere.
struct Progress {
    crates: usize,
    done: usize,
    terminal: bool,
    said: Instant,
}

impl Progress {
    fn new(crates: usize) -> Self {
        Self {
            crates,
            done: 0,
            terminal: std::io::stderr().is_terminal(),
            said: Instant::now(),
        }
    }

    fn advance(&mut self, line: &str) {
        self.done += 1;
        let Self { crates, done, .. } = self;
        if self.terminal {
            let name = line.split(r#""name":""#).nth(1).and_then(|rest| rest.split('"').next());
            eprint!(
                "\r\x1b[Kbuilding: part {done} (of {crates} crates at most), {}",
                name.unwrap_or_default()
            );
            let _ = std::io::stderr().flush();
        } else if self.said.elapsed() >= PAUSE {
            self.said = Instant::now();
            eprintln!("building: part {done} (of {crates} crates at most)");
        }
    }

    fn end(&self) {
        if self.terminal {
            eprint!("\r\x1b[K");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t134_the_first_words_wait_for_no_dependency() {
        let manifest = include_str!("../Cargo.toml");
        assert!(
            !manifest.contains("dependencies]"),
            "it would be built before the first word"
        );
    }

    #[test]
    fn t134_programs_are_found_in_what_cargo_says() {
        let line = r#"{"reason":"compiler-artifact","target":{"name":"demo"},"filenames":["/t/demo"],"executable":"/t/debug/demo","fresh":true}"#;
        assert_eq!(member(line, "executable").as_deref(), Some("/t/debug/demo"));
        let library = r#"{"reason":"compiler-artifact","target":{"name":"url"},"executable":null,"fresh":true}"#;
        assert_eq!(member(library, "executable"), None);
    }
}
