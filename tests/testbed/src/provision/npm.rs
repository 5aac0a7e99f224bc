//! Packages from npm, as their lock file pins them.

use std::path::PathBuf;

use super::{ProvisionError, Tool, cached, key, write};
use crate::process::Spec;

/// Runs JavaScript.
pub const NODE: Tool = Tool {
    program: "node",
    version_args: &["--version"],
    install: "Node.js 20 or newer",
};
const NPM: Tool = Tool {
    program: "npm",
    version_args: &["--version"],
    install: "Node.js 20 or newer with npm (with a package registry in reach)",
};

/// The directory of a package's installation, with `files` in it: name and content, `package.json` and
/// `package-lock.json` among them.
pub async fn npm(name: &str, version: &str, files: &[(&str, &str)]) -> Result<PathBuf, ProvisionError> {
    let contents: Vec<&str> = files.iter().map(|(_, content)| *content).collect();
    let label = format!("{name} {version} (npm)");
    cached(&key(name, version, &contents), &label, async |dir| {
        for (file, content) in files {
            write(&dir.join(file), content)?;
        }
        let ci = Spec::new("npm ci", "npm").args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]);
        NPM.run(dir, ci).await
    })
    .await
}
