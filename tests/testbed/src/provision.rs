//! Brings the real parts onto the machine: pinned, cached, and safe when two runs start at once.
//!
//! [`cached`] is the one way into the cache: it takes a lock, builds into a temporary directory and renames
//! that to its final name, so an entry is either whole or absent, whoever is killed when. Entries live in
//! `${XDG_CACHE_HOME:-$HOME/.cache}/oauth-client-operator-testbed`, or in `OAUTH_TESTBED_CACHE`.
//!
//! Because of the rename, what a build writes must not hold its own absolute path (`pip install
//! --target` and `npm ci` do not; a Python virtual environment does).
//!
//! ```no_run
//! # async fn example() -> Result<(), testbed::provision::ProvisionError> {
//! use testbed::process::Spec;
//! use testbed::provision::{Tool, cached, key};
//!
//! const PACKAGE: &str = r#"{"dependencies": {"oidc-provider": "9.13.3"}}"#;
//! const NPM: Tool = Tool { program: "npm", version_args: &["--version"], install: "Node.js 20 or newer with npm" };
//! let dir = cached(&key("oidc-provider", "9.13.3", &[PACKAGE]), "oidc-provider 9.13.3 (npm)", async |dir| {
//!     testbed::provision::write(&dir.join("package.json"), PACKAGE)?;
//!     NPM.run(dir, Spec::new("npm", "npm").args(["ci", "--ignore-scripts"])).await
//! }).await?;
//! # Ok(()) }
//! ```

pub mod archive;
mod flux;
mod go;
pub mod maven;
pub mod npm;
pub mod pip;
mod tool;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use flux::flux_definitions;
pub use go::Program;
pub use tool::Tool;

use crate::process::ProcessError;
use crate::progress::{Step, say};

/// Environment variable that names the cache directory.
pub const CACHE: &str = "OAUTH_TESTBED_CACHE";

/// A build that takes longer than this has gone wrong.
const BUILD_LIMIT: Duration = Duration::from_mins(45);

/// Why a part could not be provided.
#[derive(Debug, thiserror::Error)]
pub enum ProvisionError {
    /// Neither `OAUTH_TESTBED_CACHE`, `XDG_CACHE_HOME` nor `HOME` is set.
    #[error("no place for the cache: set HOME, XDG_CACHE_HOME or {CACHE}")]
    NoCache,
    /// A file or directory could not be read or written.
    #[error("cannot {what} {path}: {source}", path = path.display())]
    Io {
        /// What was tried, as a verb.
        what: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
    /// A program that the build needs is not installed.
    #[error("{program} is needed but not to be found in PATH: install {install}")]
    MissingTool {
        /// The program's name.
        program: String,
        /// What to install.
        install: String,
    },
    /// A build step failed.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// What was built is not what was asked for.
    #[error("{what}")]
    Unfit {
        /// What is wrong, in full.
        what: String,
    },
    /// No way to get a program worked.
    #[error("{program} {version} cannot be had; tried, in this order:\n{tried}")]
    Nowhere {
        /// The program's name.
        program: String,
        /// The version wanted.
        version: String,
        /// One line for each place.
        tried: String,
    },
    /// An entry could not be built.
    #[error("{label} could not be provided: {source}")]
    Build {
        /// What was being built.
        label: String,
        /// Why it failed.
        source: Box<ProvisionError>,
    },
}

impl ProvisionError {
    fn io(what: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        move |source| Self::Io {
            what,
            path: path.to_owned(),
            source,
        }
    }
}

/// The name of a cache entry: changes with the version, the machine's kind and every file given.
#[must_use]
pub fn key(name: &str, version: &str, files: &[&str]) -> String {
    use std::fmt::Write as _;
    let mut context = ring::digest::Context::new(&ring::digest::SHA256);
    for part in [std::env::consts::OS, std::env::consts::ARCH].iter().chain(files) {
        context.update(&(part.len() as u64).to_be_bytes());
        context.update(part.as_bytes());
    }
    let mut key = format!("{name}-{version}-");
    for byte in &context.finish().as_ref()[..6] {
        let _ = write!(key, "{byte:02x}");
    }
    key
}

/// Writes a file, with its directories.
pub fn write(path: &Path, content: impl AsRef<[u8]>) -> Result<(), ProvisionError> {
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent).map_err(ProvisionError::io("make the directory", parent))?;
    }
    std::fs::write(path, content).map_err(ProvisionError::io("write", path))
}

/// The directory of the cache entry `key`, built first by `build` if it is not there.
///
/// `build` fills the empty directory that it is given; `label` says to people what is being built.
/// A second run that wants the same entry waits for the first.
pub async fn cached(
    key: &str,
    label: &str,
    build: impl AsyncFnOnce(&Path) -> Result<(), ProvisionError>,
) -> Result<PathBuf, ProvisionError> {
    cached_in(&cache_dir()?, key, label, build).await
}

async fn cached_in(
    cache: &Path,
    key: &str,
    label: &str,
    build: impl AsyncFnOnce(&Path) -> Result<(), ProvisionError>,
) -> Result<PathBuf, ProvisionError> {
    let entry = cache.join(key);
    if entry.is_dir() {
        return Ok(entry);
    }
    std::fs::create_dir_all(cache).map_err(ProvisionError::io("make the cache directory", cache))?;
    let lock = lock(&cache.join(format!("{key}.lock")), label).await?;
    if entry.is_dir() {
        return Ok(entry); // another run has built it meanwhile
    }
    // The lock is ours, so what stands here was left by a run that was killed.
    let draft = cache.join(format!("{key}.draft"));
    remove(&draft)?;
    std::fs::create_dir(&draft).map_err(ProvisionError::io("make the directory", &draft))?;
    say(format_args!("providing {label}, kept in {}", entry.display()));
    let step = Step::quiet(label);
    build(&draft).await.map_err(|source| ProvisionError::Build {
        label: label.to_owned(),
        source: Box::new(source),
    })?;
    std::fs::rename(&draft, &entry).map_err(ProvisionError::io("rename to its final name", &draft))?;
    step.done();
    drop(lock);
    Ok(entry)
}

/// The cache directory.
pub fn cache_dir() -> Result<PathBuf, ProvisionError> {
    let set = |name| {
        std::env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    let base = || set("XDG_CACHE_HOME").or_else(|| Some(set("HOME")?.join(".cache")));
    set(CACHE)
        .or_else(|| Some(base()?.join("oauth-client-operator-testbed")))
        .ok_or(ProvisionError::NoCache)
}

/// Takes a file lock, which the system releases when the returned file closes, however we end.
async fn lock(path: &Path, label: &str) -> Result<File, ProvisionError> {
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)
        .map_err(ProvisionError::io("open the lock file", path))?;
    let mut waiting = None;
    loop {
        match file.try_lock() {
            Ok(()) => break,
            Err(std::fs::TryLockError::WouldBlock) => {
                waiting.get_or_insert_with(|| Step::begin(format!("waiting for another run that provides {label}")));
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            Err(std::fs::TryLockError::Error(source)) => {
                return Err(ProvisionError::io("lock", path)(source));
            }
        }
    }
    if let Some(step) = waiting {
        step.done();
    }
    Ok(file)
}

fn remove(dir: &Path) -> Result<(), ProvisionError> {
    match std::fs::remove_dir_all(dir) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(ProvisionError::io("remove", dir)(error)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;
    use crate::process::Scratch;

    #[tokio::test]
    async fn two_runs_at_once_build_once() {
        let cache = Scratch::new("cache").unwrap();
        let builds = AtomicU32::new(0);
        let build = async |dir: &Path| {
            builds.fetch_add(1, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(150)).await;
            write(&dir.join("bin/tool"), "content")
        };
        let (one, two) = tokio::join!(
            cached_in(cache.path(), "tool-1", "tool 1", build),
            cached_in(cache.path(), "tool-1", "tool 1", build)
        );
        assert_eq!(one.unwrap(), two.unwrap());
        assert_eq!(builds.load(Ordering::SeqCst), 1);
        assert_eq!(std::fs::read(cache.path().join("tool-1/bin/tool")).unwrap(), b"content");
    }

    #[tokio::test]
    async fn a_failed_build_leaves_no_entry() {
        let cache = Scratch::new("cache").unwrap();
        let failing = async |dir: &Path| {
            write(&dir.join("half"), "done")?;
            Err(ProvisionError::Unfit {
                what: "the compiler gave up".into(),
            })
        };
        let error = cached_in(cache.path(), "tool-1", "tool 1", failing).await.unwrap_err();
        assert_eq!(error.to_string(), "tool 1 could not be provided: the compiler gave up");
        let entry = cached_in(cache.path(), "tool-1", "tool 1", async |_: &Path| Ok(()))
            .await
            .unwrap();
        assert!(!entry.join("half").exists(), "the remains of the failed build are gone");
    }

    #[test]
    fn the_key_changes_with_each_input() {
        assert_eq!(key("a", "1", &["x"]), key("a", "1", &["x"]));
        assert_ne!(key("a", "1", &["x"]), key("a", "1", &["y"]));
        assert_ne!(key("a", "1", &["xy", ""]), key("a", "1", &["x", "y"]));
    }
}
