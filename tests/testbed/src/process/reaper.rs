//! The one helper process that ends all others when the test process is gone.
//!
//! `Drop` does not run for statics, nor after SIGKILL, and `PR_SET_PDEATHSIG` fires when the *thread*
//! that spawned the child ends, which under an async runtime is at any time. A pipe has neither flaw:
//! the kernel closes our end whatever ends us, and a small shell script at the other end cleans up.

use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{ChildStdin, Command, Stdio};
use std::sync::{Mutex, OnceLock, PoisonError};

const SCRIPT: &str = include_str!("reaper.sh");

/// Adds a process group to those that end with this process.
pub(super) fn watch(group: u32) {
    order("watch", &group.to_string());
}

/// Takes a process group that has ended off the list, before the system gives its number to another.
pub(super) fn forget(group: u32) {
    order("forget", &group.to_string());
}

/// Has a directory removed when this process ends.
pub(super) fn remove(dir: &Path) {
    order("remove", &dir.to_string_lossy());
}

/// Takes back [`remove`].
pub(super) fn keep(dir: &Path) {
    order("keep", &dir.to_string_lossy());
}

fn order(verb: &str, argument: &str) {
    static REAPER: OnceLock<Option<Mutex<ChildStdin>>> = OnceLock::new();
    if let Some(pipe) = REAPER.get_or_init(start) {
        // One write a line: shorter than PIPE_BUF, so lines never mix.
        let line = format!("{verb} {argument}\n");
        let mut pipe = pipe.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = pipe.write_all(line.as_bytes());
    }
}

fn start() -> Option<Mutex<ChildStdin>> {
    let spawned = Command::new("/bin/sh")
        .args(["-c", SCRIPT, "testbed-reaper"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0) // Ctrl-C at the terminal must not end it before its work
        .spawn();
    match spawned {
        Ok(mut child) => child.stdin.take().map(Mutex::new),
        Err(error) => {
            crate::progress::say(format_args!(
                "/bin/sh does not start ({error}): a killed test run may leave processes behind"
            ));
            None
        }
    }
}
