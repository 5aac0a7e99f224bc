//! Writes or checks `tests/FAULTS.md`: `cargo test --workspace -- --list | faults [--write]`.

use std::io::Read as _;
use std::path::Path;
use std::process::ExitCode;

use clap::Parser;
use testbed::faults::Catalogue;

/// Joins tests/faults.txt with the list of tests on standard input.
#[derive(Parser)]
struct Arguments {
    /// Write tests/FAULTS.md instead of comparing it
    #[arg(long)]
    write: bool,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(problems) => {
            eprintln!("{}", problems.trim_end());
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), String> {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let file = |name: &str| tests.join(name);
    let text = |error: std::io::Error| error.to_string();
    let mut list = String::new();
    std::io::stdin().read_to_string(&mut list).map_err(text)?;
    if !list.contains(": test\n") {
        return Err("there is no list of tests on standard input".to_owned());
    }
    let catalogue = std::fs::read_to_string(file("faults.txt")).map_err(text)?;
    let page = Catalogue::parse(&catalogue)?.page(&list)?;
    if arguments.write {
        return std::fs::write(file("FAULTS.md"), page).map_err(text);
    }
    let found = std::fs::read_to_string(file("FAULTS.md")).unwrap_or_default();
    if found != page {
        return Err("tests/FAULTS.md is out of date: run .ci/generate and commit what it writes".to_owned());
    }
    Ok(())
}
