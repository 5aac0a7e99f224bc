//! Published archives of the control plane: seconds where the internet is in reach, against minutes of a Go build.
//!
//! Only a program that calls [`allow`] downloads anything or uses what was downloaded: which Kubernetes the tests run does not depend on
//! whether the demo ran before. Each file is compared with a SHA-512
//! before anything of it is used: that of the archive is pinned here, that of the controller manager is published beside it. Without an
//! answer, from a server that is too slow, or with a wrong digest, the caller builds the program instead.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt as _;
use tokio::sync::OnceCell;

use super::{Program, ProvisionError, Tool, cache_dir, cached_in, key};
use crate::process::Spec;

/// Environment variable that turns this source `off`, or names a mirror: a URL that both hosts' paths are appended to.
pub const ARCHIVES: &str = "OAUTH_TESTBED_ARCHIVES";

/// Release of Kubernetes whose archives are published.
const VERSION: &str = "v1.36.2";
const ENVTEST: &str = "https://github.com";
const KUBERNETES: &str = "https://dl.k8s.io";

/// SHA-512 of the archives with etcd, kube-apiserver and kubectl, by platform (envtest-releases.yaml of kubernetes-sigs/controller-tools).
const DIGESTS: [(&str, &str); 4] = [
    (
        "darwin-amd64",
        "b4fe9f973cd1992e3880f8b230ed32c0c243b83371591e3e3315f4404df2cdbef8ee94eeb9bb245b7e5feb987d5c4a76c43e0877654ab73f00d7bbc2b9984514",
    ),
    (
        "darwin-arm64",
        "9278f9e5af556b2f1f2d139769c1f0d717c7b4426917fdebdba898bcb725a916e4910d6160886194ff9be9589ea7c5c32c2b8ae0754703874b7c8ba8ddfc41ce",
    ),
    (
        "linux-amd64",
        "ea743186c8a799f5cf8faf16969f86189d003cb7d130e0ac4b58789f1e5748dcf30ebe91c837a10d5ac415383da3e10b9e64d65785c938c23e739781cfb76f08",
    ),
    (
        "linux-arm64",
        "2d72ee985a8e262a3c57dc9f7f0fd891f6a8c7bf7ebaa2db6dc6d8eac8ae28181afe51c1f368b67756cdb40b10de9b205609e1726e5f27f7c6d824dd9c6649ac",
    ),
];

const TAR: Tool = Tool {
    program: "tar",
    version_args: &["--version"],
    install: "tar with gzip",
};

/// Whether this process downloads.
static ALLOWED: AtomicBool = AtomicBool::new(false);

/// Lets this process download archives and use them. Tests never do.
pub fn allow() {
    ALLOWED.store(true, Ordering::Relaxed);
}

/// How long a server may take.
#[derive(Clone, Copy)]
struct Patience {
    /// Until it takes the connection, and between two pieces of its answer.
    silence: Duration,
    /// After this time the mean rate counts.
    grace: Duration,
    /// Fewest bytes a second, on the mean: below, a Go build is sooner done.
    rate: u64,
}

const PATIENCE: Patience = Patience {
    silence: Duration::from_secs(10),
    grace: Duration::from_secs(20),
    rate: 256 * 1024,
};

/// Where files are, and how they are known to be right.
struct Source {
    mirror: Option<String>,
    platform: String,
    digest: String,
    patience: Patience,
}

impl Source {
    /// For this machine. Errors: why there are no archives for it.
    fn of_this_machine() -> Result<Self, String> {
        let os = match std::env::consts::OS {
            "macos" => "darwin",
            os => os,
        };
        let arch = match std::env::consts::ARCH {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            arch => arch,
        };
        let platform = format!("{os}-{arch}");
        let known = DIGESTS.iter().find(|(known, _)| *known == platform);
        let (_, digest) = known.ok_or_else(|| format!("none is published for {platform}"))?;
        let mirror = std::env::var(ARCHIVES).ok().filter(|value| !value.is_empty());
        Ok(Self {
            mirror,
            platform,
            digest: (*digest).to_owned(),
            patience: PATIENCE,
        })
    }

    fn url(&self, host: &str, path: &str) -> String {
        let base = self.mirror.as_deref().unwrap_or(host).trim_end_matches('/');
        format!("{base}/{path}")
    }

    fn envtest(&self) -> String {
        let path = format!(
            "kubernetes-sigs/controller-tools/releases/download/envtest-{VERSION}/envtest-{VERSION}-{}.tar.gz",
            self.platform
        );
        self.url(ENVTEST, &path)
    }

    fn controller_manager(&self) -> String {
        let platform = self.platform.replace('-', "/");
        self.url(KUBERNETES, &format!("{VERSION}/bin/{platform}/kube-controller-manager"))
    }

    /// Puts etcd, kube-apiserver and kubectl into a directory.
    async fn unpack_envtest(&self, dir: &Path) -> Result<(), ProvisionError> {
        let archive = dir.join("archive.tar.gz");
        let url = self.envtest();
        let digest = self.download(&url, &archive).await?;
        compare(&url, &digest, &self.digest)?;
        let unpack = Spec::new("tar", "tar").args(["-xzf", "archive.tar.gz", "--strip-components=2"]);
        TAR.run(dir, unpack).await?;
        std::fs::remove_file(&archive).map_err(ProvisionError::io("remove", &archive))
    }

    /// Puts kube-controller-manager into a directory.
    async fn fetch_controller_manager(&self, dir: &Path) -> Result<(), ProvisionError> {
        let url = self.controller_manager();
        let (file, beside) = (dir.join("kube-controller-manager"), dir.join("sha512"));
        self.download(&format!("{url}.sha512"), &beside).await?;
        let published = std::fs::read_to_string(&beside).map_err(ProvisionError::io("read", &beside))?;
        let digest = self.download(&url, &file).await?;
        compare(&url, &digest, published.split_whitespace().next().unwrap_or_default())?;
        executable(&file)
    }

    /// Downloads a file. Returns its SHA-512 in hexadecimal.
    async fn download(&self, url: &str, file: &Path) -> Result<String, ProvisionError> {
        let failed = |why: String| ProvisionError::Unfit {
            what: format!("{url}: {why}"),
        };
        crate::tls::install();
        let http = reqwest::Client::builder()
            .connect_timeout(self.patience.silence)
            .read_timeout(self.patience.silence)
            .build()
            .map_err(|error| failed(error.to_string()))?;
        let answer = http.get(url).send().await.and_then(reqwest::Response::error_for_status);
        let mut answer = answer.map_err(|error| failed(causes(&error.without_url())))?;
        let mut out = tokio::fs::File::create(file)
            .await
            .map_err(ProvisionError::io("write", file))?;
        let mut digest = ring::digest::Context::new(&ring::digest::SHA512);
        let (begun, mut bytes) = (Instant::now(), 0_u64);
        loop {
            let piece = answer
                .chunk()
                .await
                .map_err(|error| failed(causes(&error.without_url())))?;
            let Some(piece) = piece else { break };
            digest.update(&piece);
            bytes += piece.len() as u64;
            out.write_all(&piece).await.map_err(ProvisionError::io("write", file))?;
            let elapsed = begun.elapsed();
            if elapsed > self.patience.grace && bytes < self.patience.rate * elapsed.as_secs() {
                return Err(failed(format!("too slow: {bytes} bytes in {} s", elapsed.as_secs())));
            }
        }
        out.flush().await.map_err(ProvisionError::io("write", file))?;
        Ok(hex(digest.finish().as_ref()))
    }
}

fn hex(digest: &[u8]) -> String {
    digest.iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// An error of the HTTP client with what it comes from.
fn causes(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        let _ = write!(text, ": {cause}");
        source = cause.source();
    }
    text
}

fn compare(url: &str, digest: &str, wanted: &str) -> Result<(), ProvisionError> {
    if digest == wanted {
        return Ok(());
    }
    Err(ProvisionError::Unfit {
        what: format!("{url}: its SHA-512 is {digest}, wanted {wanted:?}; nothing of it is used"),
    })
}

#[cfg(unix)]
fn executable(file: &Path) -> Result<(), ProvisionError> {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o755))
        .map_err(ProvisionError::io("make executable", file))
}

#[cfg(not(unix))]
fn executable(_: &Path) -> Result<(), ProvisionError> {
    Ok(())
}

/// The program from a published archive. Errors: why not, as a line for people.
pub(super) async fn find(program: Program) -> Result<PathBuf, String> {
    // One try a process and archive: several programs ask for the same one, and a server that is away stays away.
    static ENVTEST_DIR: OnceCell<Result<PathBuf, String>> = OnceCell::const_new();
    static MANAGER_DIR: OnceCell<Result<PathBuf, String>> = OnceCell::const_new();
    let dir = match program {
        Program::Etcd | Program::KubeApiserver | Program::Kubectl => {
            let label = format!("etcd, kube-apiserver and kubectl {VERSION} (published archive)");
            let dir = ENVTEST_DIR.get_or_init(|| entry("envtest", label, Source::unpack_envtest));
            dir.await
        }
        Program::KubeControllerManager => {
            let label = format!("kube-controller-manager {VERSION} (published program)");
            let dir = MANAGER_DIR.get_or_init(|| entry("controller-manager", label, Source::fetch_controller_manager));
            dir.await
        }
        _ => return Err("no archive is known".to_owned()),
    };
    dir.as_ref().map(|dir| dir.join(program.name())).map_err(Clone::clone)
}

async fn entry<F>(name: &str, label: String, fetch: F) -> Result<PathBuf, String>
where
    F: AsyncFnOnce(&Source, &Path) -> Result<(), ProvisionError>,
{
    if std::env::var(ARCHIVES).is_ok_and(|value| value == "off") {
        return Err(format!("turned off by {ARCHIVES}"));
    }
    let source = Source::of_this_machine()?;
    let cache = cache_dir().map_err(|error| error.to_string())?;
    entry_in(&cache, ALLOWED.load(Ordering::Relaxed), &source, name, &label, fetch).await
}

async fn entry_in<F>(
    cache: &Path,
    is_allowed: bool,
    source: &Source,
    name: &str,
    label: &str,
    fetch: F,
) -> Result<PathBuf, String>
where
    F: AsyncFnOnce(&Source, &Path) -> Result<(), ProvisionError>,
{
    if !is_allowed {
        return Err("only the demo uses them".to_owned());
    }
    // What a mirror publishes is compared with nothing but what it publishes beside it: it serves those who name that mirror.
    let mirror = source.mirror.as_deref().unwrap_or_default();
    let key = key(name, VERSION, &[&source.digest, mirror]);
    let made = cached_in(cache, &key, label, async |dir| fetch(source, dir).await).await;
    made.map_err(|error| {
        crate::progress::say(format_args!("{error}; building instead"));
        error.to_string()
    })
}

#[cfg(test)]
#[path = "archive/tests.rs"]
mod tests;
