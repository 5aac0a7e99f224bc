//! Archives from Maven Central.

use std::path::{Path, PathBuf};

use super::pip::PYTHON;
use super::{ProvisionError, Tool, cached, key};
use crate::process::Spec;

/// Runs Java programs.
pub const JAVA: Tool = Tool {
    program: "java",
    version_args: &["-version"],
    install: "Java 17 or newer",
};
const MAVEN: Tool = Tool {
    program: "mvn",
    version_args: &["--version"],
    install: "Maven 3.8 or newer (with Maven Central in reach)",
};
const UNPACK: &str = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:unpack";
const COPY: &str = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy";

/// A file of Maven Central, and where it goes.
#[derive(Clone, Copy, Debug)]
pub struct Pinned {
    /// `group:name:version:type`.
    pub artifact: &'static str,
    /// SHA-256 of the file, in hexadecimal.
    pub sha256: &'static str,
    /// Directory below the cache entry.
    pub into: &'static str,
    /// Whether it is an archive to unpack there.
    pub unpack: bool,
}

/// The directory that an archive is unpacked to. `artifact` is `group:name:version:type`.
pub async fn maven(artifact: &str) -> Result<PathBuf, ProvisionError> {
    let mut parts = artifact.split(':').skip(1);
    let (name, version) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let label = format!("{name} {version} (Maven)");
    cached(&key(name, version, &[artifact]), &label, async |dir| {
        let unpack = Spec::new("mvn", "mvn")
            .args(["-q", "-B", UNPACK])
            .arg(format!("-Dartifact={artifact}"));
        MAVEN.run(dir, unpack.arg("-DoutputDirectory=.")).await
    })
    .await
}

/// The directory with these files, each checked against its digest.
pub async fn pinned(name: &str, version: &str, files: &[Pinned]) -> Result<PathBuf, ProvisionError> {
    let inputs: Vec<String> = files.iter().map(|file| format!("{file:?}")).collect();
    let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
    let label = format!("{name} {version} (Maven)");
    cached(&key(name, version, &inputs), &label, async |dir| {
        for file in files {
            fetch(dir, file).await?;
        }
        Ok(())
    })
    .await
}

async fn fetch(dir: &Path, file: &Pinned) -> Result<(), ProvisionError> {
    let mut parts = file.artifact.split(':').skip(1);
    let mut part = || parts.next().unwrap_or_default();
    let name = format!("{}-{}.{}", part(), part(), part());
    let into = dir.join(if file.unpack { "." } else { file.into });
    let copy = Spec::new("mvn", "mvn")
        .args(["-q", "-B", COPY])
        .arg(format!("-Dartifact={}", file.artifact));
    MAVEN
        .run(dir, copy.arg(format!("-DoutputDirectory={}", into.display())))
        .await?;
    let path = into.join(&name);
    let content = std::fs::read(&path).map_err(ProvisionError::io("read", &path))?;
    let digest = ring::digest::digest(&ring::digest::SHA256, &content);
    let found = digest.as_ref().iter().fold(String::new(), |mut text, byte| {
        use std::fmt::Write as _;
        let _ = write!(text, "{byte:02x}");
        text
    });
    if found != file.sha256 {
        return Err(ProvisionError::Unfit {
            what: format!("{} has the SHA-256 {found}, not {}", file.artifact, file.sha256),
        });
    }
    if file.unpack {
        let unpack = Spec::new("unpack", PYTHON.program).args(["-m", "zipfile", "-e"]);
        PYTHON.run(dir, unpack.arg(&path).arg(dir.join(file.into))).await?;
        std::fs::remove_file(&path).map_err(ProvisionError::io("remove", &path))?;
    }
    Ok(())
}
