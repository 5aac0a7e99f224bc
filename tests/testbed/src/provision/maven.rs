//! Archives from Maven Central.

use std::path::PathBuf;

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
