//! Directories for logs and data that go with the test run.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use super::{ProcessError, reaper};

/// Environment variable that, when set, keeps all scratch directories for a look afterwards.
pub const KEEP: &str = "OAUTH_TESTBED_KEEP";

/// A directory under the system's temporary one, removed on drop or when the test process ends.
///
/// It stays, and its path is printed, when the test that owns it panics or `OAUTH_TESTBED_KEEP` is set.
#[derive(Debug)]
pub struct Scratch {
    path: PathBuf,
}

impl Scratch {
    /// Makes an empty directory that only this user can read; `label` becomes part of its name.
    pub fn new(label: &str) -> Result<Self, ProcessError> {
        use std::os::unix::fs::DirBuilderExt as _;
        static COUNTER: AtomicU32 = AtomicU32::new(0);
        loop {
            let number = COUNTER.fetch_add(1, Ordering::Relaxed);
            let path = std::env::temp_dir().join(format!("oauth-testbed-{label}-{}-{number}", std::process::id()));
            match std::fs::DirBuilder::new().mode(0o700).create(&path) {
                Ok(()) => {
                    if std::env::var_os(KEEP).is_none() {
                        reaper::remove(&path);
                    }
                    return Ok(Self { path });
                }
                // Left by an earlier process that had our number.
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(source) => {
                    let what = format!("cannot make the directory {}", path.display());
                    return Err(ProcessError::Io {
                        name: label.to_owned(),
                        what,
                        source,
                    });
                }
            }
        }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Keeps the directory after the process has ended.
    pub fn keep(&self) {
        reaper::keep(&self.path);
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if std::thread::panicking() || std::env::var_os(KEEP).is_some() {
            self.keep();
            crate::progress::say(format_args!("logs and data are kept in {}", self.path.display()));
        } else {
            let _ = std::fs::remove_dir_all(&self.path);
            reaper::keep(&self.path);
        }
    }
}
