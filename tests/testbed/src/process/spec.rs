//! What to run, and how it starts.

use std::ffi::{OsStr, OsString};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::{Process, ProcessError, reaper};

/// What to run. Without [`Spec::log`] the output is thrown away.
#[derive(Clone, Debug)]
pub struct Spec {
    name: String,
    program: PathBuf,
    args: Vec<OsString>,
    env: Vec<(OsString, OsString)>,
    unset: Vec<OsString>,
    dir: Option<PathBuf>,
    log: Option<PathBuf>,
    grace: Duration,
}

impl Spec {
    /// A program under a short name that errors show; looked up in `PATH` unless it holds a slash.
    pub fn new(name: impl Into<String>, program: impl Into<PathBuf>) -> Self {
        Self {
            name: name.into(),
            program: program.into(),
            args: Vec::new(),
            env: Vec::new(),
            unset: Vec::new(),
            dir: None,
            log: None,
            grace: Duration::from_secs(5),
        }
    }

    /// Adds one argument.
    #[must_use]
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.args.push(arg.as_ref().to_owned());
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args(mut self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        self.args.extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    /// Sets an environment variable; the rest is inherited.
    #[must_use]
    pub fn env(mut self, key: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.env.push((key.as_ref().to_owned(), value.as_ref().to_owned()));
        self
    }

    /// Keeps an environment variable from being inherited.
    #[must_use]
    pub fn env_remove(mut self, key: impl AsRef<OsStr>) -> Self {
        self.unset.push(key.as_ref().to_owned());
        self
    }

    /// Working directory.
    #[must_use]
    pub fn dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.dir = Some(dir.into());
        self
    }

    /// File that gets stdout and stderr, appended.
    #[must_use]
    pub fn log(mut self, file: impl Into<PathBuf>) -> Self {
        self.log = Some(file.into());
        self
    }

    /// Time between SIGTERM and SIGKILL; 5 s by default.
    #[must_use]
    pub fn grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// Starts it.
    pub fn spawn(&self) -> Result<Process, ProcessError> {
        let mut command = Command::new(&self.program);
        command.args(&self.args).stdin(Stdio::null()).process_group(0);
        for key in &self.unset {
            command.env_remove(key);
        }
        command.envs(self.env.iter().map(|(key, value)| (key, value)));
        if let Some(dir) = &self.dir {
            command.current_dir(dir);
        }
        let (out, err) = self.output()?;
        let child = command
            .stdout(out)
            .stderr(err)
            .spawn()
            .map_err(|source| ProcessError::Spawn {
                name: self.name.clone(),
                program: self.program.clone(),
                source,
            })?;
        let pid = child.id();
        reaper::watch(pid);
        Ok(Process {
            name: self.name.clone(),
            pid,
            log: self.log.clone(),
            grace: self.grace,
            child: Arc::new(Mutex::new(child)),
        })
    }

    /// Starts it and waits until it ends with success; it is killed when the time is over.
    pub async fn run(&self, limit: Duration) -> Result<(), ProcessError> {
        let process = self.spawn()?;
        let status = process.wait(limit).await?;
        if status.success() {
            Ok(())
        } else {
            Err(process.ended(status))
        }
    }

    fn output(&self) -> Result<(Stdio, Stdio), ProcessError> {
        let Some(path) = &self.log else {
            return Ok((Stdio::null(), Stdio::null()));
        };
        let open = || {
            let file = std::fs::File::options().create(true).append(true).open(path)?;
            Ok((Stdio::from(file.try_clone()?), Stdio::from(file)))
        };
        open().map_err(|source| ProcessError::Io {
            name: self.name.clone(),
            what: format!("cannot open the log file {}", path.display()),
            source,
        })
    }
}
