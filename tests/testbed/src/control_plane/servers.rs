//! Files, ports and flags of the three servers.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serde_json::json;

use super::{ControlPlaneError, ControlPlaneOptions};
use crate::process::{Spec, free_port};
use crate::tls::Authority;

/// Name of the user whose token the kubeconfig holds; in the audit log.
pub(super) const ADMIN: &str = "testbed-admin";

/// Controllers of Kubernetes that tests lean on; the others would only use up the CPU.
const CONTROLLERS: &str = "namespace-controller,garbage-collector-controller,serviceaccount-controller,\
    serviceaccount-token-controller,clusterrole-aggregation-controller,root-ca-certificate-publisher-controller,\
    resourcequota-controller,validatingadmissionpolicy-status-controller,deployment-controller,replicaset-controller";

/// How seldom Kubernetes' programs collect garbage here: there is memory enough, and their collectors would take a sixth of the CPU.
pub(super) const GOGC: &str = "400";

/// One JSON line a request, without bodies, so that no secret is in it.
const AUDIT_POLICY: &str = r#"{"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "omitStages": ["RequestReceived"], "rules": [{"level": "Metadata"}]}"#;

/// How to start each server.
#[derive(Debug)]
pub(super) struct Servers {
    pub(super) etcd: Spec,
    pub(super) apiserver: Spec,
    pub(super) controller_manager: Spec,
    dir: PathBuf,
}

/// Paths of the three programs.
pub(super) struct Programs {
    pub(super) etcd: PathBuf,
    pub(super) apiserver: PathBuf,
    pub(super) controller_manager: PathBuf,
}

impl Servers {
    /// Writes keys, certificates, policy and kubeconfig into `dir` and picks free ports.
    pub(super) fn prepare(
        dir: &Path,
        options: &ControlPlaneOptions,
        programs: Programs,
    ) -> Result<Self, ControlPlaneError> {
        let dir = dir.to_owned();
        let port = free_port()?;
        let files = Files::write(&dir, port)?;
        let etcd_url = format!("http://127.0.0.1:{}", free_port()?);
        Ok(Self {
            etcd: etcd(
                &dir,
                options,
                programs.etcd,
                &etcd_url,
                &format!("http://127.0.0.1:{}", free_port()?),
            ),
            apiserver: apiserver(&dir, options, programs.apiserver, &files, &etcd_url, port),
            controller_manager: controller_manager(&dir, programs.controller_manager, &files),
            dir,
        })
    }

    pub(super) fn kubeconfig(&self) -> PathBuf {
        self.dir.join("kubeconfig")
    }

    pub(super) fn audit_log(&self) -> PathBuf {
        audit_log(&self.dir)
    }
}

fn audit_log(dir: &Path) -> PathBuf {
    dir.join("audit.log")
}

fn etcd(dir: &Path, options: &ControlPlaneOptions, program: PathBuf, client: &str, peer: &str) -> Spec {
    let mut spec = Spec::new("etcd", program)
        .env("GOGC", GOGC)
        .log(dir.join("etcd.log"))
        .grace(std::time::Duration::ZERO)
        .arg("--data-dir")
        .arg(dir.join("etcd"))
        .args(["--name", "default", "--log-level", "warn"])
        .args(["--listen-client-urls", client, "--advertise-client-urls", client])
        .args(["--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer])
        .arg(format!("--initial-cluster=default={peer}"));
    if !options.fsync {
        spec = spec.arg("--unsafe-no-fsync");
    }
    spec
}

fn apiserver(
    dir: &Path,
    options: &ControlPlaneOptions,
    program: PathBuf,
    files: &Files,
    etcd: &str,
    port: u16,
) -> Spec {
    let mut spec = Spec::new("kube-apiserver", program)
        .env("GOGC", GOGC)
        .log(dir.join("kube-apiserver.log"))
        .grace(std::time::Duration::ZERO)
        .arg(format!("--etcd-servers={etcd}"))
        .arg(format!("--secure-port={port}"))
        .args([
            "--bind-address=127.0.0.1",
            "--advertise-address=127.0.0.1",
            "--endpoint-reconciler-type=none",
        ])
        .arg(flag("--cert-dir", dir))
        .arg(flag("--tls-cert-file", &files.serving_certificate))
        .arg(flag("--tls-private-key-file", &files.serving_key))
        .arg("--service-cluster-ip-range=10.0.0.0/24")
        .arg("--service-account-issuer=https://kubernetes.default.svc")
        .arg(flag("--service-account-key-file", &files.account_public_key))
        .arg(flag("--service-account-signing-key-file", &files.account_key))
        .arg("--authorization-mode=RBAC")
        .arg(flag("--token-auth-file", &files.tokens))
        .arg("--allow-privileged=true");
    if options.audit {
        spec = spec
            .arg(flag("--audit-policy-file", &files.audit_policy))
            .arg(flag("--audit-log-path", &audit_log(dir)))
            .args(["--audit-log-mode=blocking", "--audit-log-maxsize=10000"]);
    }
    spec.args(&options.apiserver_args)
}

fn controller_manager(dir: &Path, program: PathBuf, files: &Files) -> Spec {
    Spec::new("kube-controller-manager", program)
        .env("GOGC", GOGC)
        .log(dir.join("kube-controller-manager.log"))
        .grace(std::time::Duration::ZERO)
        .arg(flag("--kubeconfig", &dir.join("kubeconfig")))
        .arg(flag("--service-account-private-key-file", &files.account_key))
        .arg(flag("--root-ca-file", &files.authority))
        .args([
            "--use-service-account-credentials=true",
            "--leader-elect=false",
            "--secure-port=0",
        ])
        .arg(format!("--controllers={CONTROLLERS}"))
}

/// Files that the servers read.
struct Files {
    authority: PathBuf,
    serving_certificate: PathBuf,
    serving_key: PathBuf,
    account_key: PathBuf,
    account_public_key: PathBuf,
    tokens: PathBuf,
    audit_policy: PathBuf,
}

impl Files {
    fn write(dir: &Path, port: u16) -> Result<Self, ControlPlaneError> {
        let put = |name: &str, content: &str| -> Result<PathBuf, ControlPlaneError> {
            let path = dir.join(name);
            std::fs::write(&path, content).map_err(ControlPlaneError::io(&path))?;
            Ok(path)
        };
        let authority = Authority::new("testbed control plane")?;
        let identity = authority.issue(&["127.0.0.1", "localhost", "kubernetes.default.svc"])?;
        let account_key = rcgen::KeyPair::generate().map_err(crate::tls::TlsError::from)?;
        let token = random_token()?;
        let url = format!("https://127.0.0.1:{port}");
        put("kubeconfig", &kubeconfig(&url, Some(authority.pem()), ADMIN, &token))?;
        Ok(Self {
            authority: put("ca.crt", authority.pem())?,
            serving_certificate: put("serving.crt", &identity.certificate_pem)?,
            serving_key: put("serving.key", &identity.key_pem)?,
            account_key: put("service-account.key", &account_key.serialize_pem())?,
            account_public_key: put("service-account.pub", &account_key.public_key_pem())?,
            tokens: put("tokens.csv", &format!("{token},{ADMIN},{ADMIN},\"system:masters\"\n"))?,
            audit_policy: put("audit-policy.json", AUDIT_POLICY)?,
        })
    }
}

/// The text of a kubeconfig file (JSON, which is YAML) with one user.
pub(super) fn kubeconfig(url: &str, ca_pem: Option<&str>, user: &str, token: &str) -> String {
    use base64::Engine as _;
    let mut cluster = json!({ "server": url });
    if let Some(pem) = ca_pem {
        cluster["certificate-authority-data"] = base64::engine::general_purpose::STANDARD.encode(pem).into();
    }
    json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "testbed", "cluster": cluster}],
        "users": [{"name": user, "user": {"token": token}}],
        "contexts": [{"name": "testbed", "context": {"cluster": "testbed", "user": user}}],
        "current-context": "testbed",
    })
    .to_string()
}

fn flag(name: &str, path: &Path) -> std::ffi::OsString {
    let mut flag = std::ffi::OsString::from(name);
    flag.push("=");
    flag.push(path);
    flag
}

fn random_token() -> Result<String, ControlPlaneError> {
    use ring::rand::SecureRandom as _;
    let mut bytes = [0; 16];
    let filled = ring::rand::SystemRandom::new().fill(&mut bytes);
    filled.map_err(|_| ControlPlaneError::Io {
        path: "/dev/urandom".into(),
        source: std::io::Error::other("no random bytes"),
    })?;
    Ok(bytes.iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    }))
}
