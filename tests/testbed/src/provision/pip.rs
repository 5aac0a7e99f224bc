//! Packages from the Python Package Index, as their requirements file pins them by hash.

use std::path::{Path, PathBuf};

use super::{ProvisionError, Tool, cached, key, write};
use crate::process::Spec;

/// Runs Python.
pub const PYTHON: Tool = Tool {
    program: "python3",
    version_args: &["--version"],
    install: "Python 3.10 or newer, as python3",
};
const PIP: Tool = Tool {
    program: "python3",
    version_args: &["-m", "pip", "--version"],
    install: "Python 3.10 or newer with pip (with a package index in reach)",
};
/// Directory of the packages in the cache entry.
const PACKAGES: &str = "packages";

/// The directory with `files` in it, name and content, `requirements.txt` among them, and the directory of the
/// packages, for `PYTHONPATH`.
pub async fn pip(name: &str, version: &str, files: &[(&str, &str)]) -> Result<(PathBuf, PathBuf), ProvisionError> {
    // Packages with compiled parts fit one version of Python.
    let python = PYTHON.version().await?;
    let mut contents: Vec<&str> = files.iter().map(|(_, content)| *content).collect();
    contents.push(&python);
    let label = format!("{name} {version} (pip, {python})");
    let dir = cached(&key(name, version, &contents), &label, async |dir| {
        install(dir, files).await
    })
    .await?;
    let packages = dir.join(PACKAGES);
    Ok((dir, packages))
}

async fn install(dir: &Path, files: &[(&str, &str)]) -> Result<(), ProvisionError> {
    PIP.require().await?;
    for (file, content) in files {
        write(&dir.join(file), content)?;
    }
    // Wheels only, so that no package runs a script of its own here.
    let install = Spec::new("pip install", PIP.program)
        .args(["-m", "pip", "install", "--disable-pip-version-check", "--no-input"])
        .args([
            "--only-binary=:all:",
            "--require-hashes",
            "--no-deps",
            "--target",
            PACKAGES,
        ])
        .args(["-r", "requirements.txt"]);
    PIP.run(dir, install).await
}
