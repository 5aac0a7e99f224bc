//! The root file system of the image, as the Dockerfile puts it together, run without a container engine: a static binary in a root that holds
//! nothing else, as uid 65532 without capabilities, with the in-cluster configuration and the container of the chart.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize as _;
use serde_json::Value;
use testbed::control_plane::{ControlPlane, ControlPlaneOptions};
use testbed::operator::NAME;
use testbed::process::{Process, Scratch, Spec, free_port};
use testbed::providers::{Persona, ScriptableProvider};
use testbed::site::{ca_bundle, oauth_client, oauth_provider};

use crate::page::Shell;

const HOME: &str = "oauth-client-operator-system";
const LIMIT: Duration = Duration::from_mins(20);
const ACCOUNT: &str = "var/run/secrets/kubernetes.io/serviceaccount";

/// The binary as the Dockerfile builds it, but without optimisation.
async fn static_binary() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let rustc = std::process::Command::new("rustc").arg("-vV").output().unwrap();
    let rustc = String::from_utf8(rustc.stdout).unwrap();
    let host = rustc.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
    let target = root.join("target/image");
    let step = testbed::progress::Step::begin("building the static binary of the image");
    // The other tests go on meanwhile.
    let build = Spec::new("cargo build", "nice")
        .args([
            "-n",
            "10",
            "cargo",
            "build",
            "--locked",
            "--package",
            NAME,
            "--bin",
            NAME,
        ])
        .args(["--target", host])
        .env("RUSTFLAGS", "-C target-feature=+crt-static -C debuginfo=0")
        .env("CARGO_TARGET_DIR", &target)
        .dir(root);
    build.run(LIMIT).await.unwrap();
    step.done();
    target.join(host).join("debug").join(NAME)
}

fn put(root: &Path, path: &str, content: impl AsRef<[u8]>) {
    let file = root.join(path);
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(file, content).unwrap();
}

/// What the last stage of the Dockerfile copies, by its place in the image.
fn copied() -> Vec<String> {
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("Dockerfile")).unwrap();
    let (_, last) = text.split_once("FROM scratch").unwrap();
    let lines = last.lines().filter_map(|line| line.strip_prefix("COPY --from=build "));
    lines.map(|line| line.split(' ').nth(1).unwrap().to_owned()).collect()
}

/// The Deployment's container as the chart renders it.
async fn container(shell: &Shell) -> Value {
    let script = format!(
        "helm template {NAME} charts/{NAME} --namespace {HOME} --kube-version 1.36.0 -s templates/deployment.yaml"
    );
    let (succeeded, manifest) = shell.run(&script).await;
    assert!(succeeded, "{manifest}");
    let mut documents =
        serde_yaml::Deserializer::from_str(&manifest).map(|document| Value::deserialize(document).unwrap());
    let mut deployment = documents.find(|object| object["kind"] == "Deployment").unwrap();
    let pod = &mut deployment["spec"]["template"]["spec"];
    assert_eq!(pod["securityContext"]["runAsUser"], 65532);
    pod["containers"][0].take()
}

/// Starts the container in the root: another root directory, another user, no capability.
fn start(root: &Path, container: &Value, api_server: &str, log: &Path) -> (Process, String) {
    let directory = root.to_string_lossy();
    // Root may change the root directory; for anybody else a user namespace gives the right, and the same user in it.
    let (program, first) = if is_root() {
        let words = [
            "--no-new-privs",
            "--bounding-set=-all,+setuid,+setgid,+sys_chroot",
            "chroot",
            "--userspec=65532:65532",
        ];
        (
            "setpriv",
            words
                .map(str::to_owned)
                .into_iter()
                .chain([directory.into_owned()])
                .collect::<Vec<_>>(),
        )
    } else {
        let words = ["--user", "--map-user=65532", "--map-group=65532", "--wd=/"];
        (
            "unshare",
            words
                .map(str::to_owned)
                .into_iter()
                .chain([format!("--root={directory}")])
                .collect(),
        )
    };
    let address = format!("127.0.0.1:{}", free_port().unwrap());
    let (host, port) = api_server.trim_start_matches("https://").rsplit_once(':').unwrap();
    let mut spec = Spec::new("the image", program)
        .args(first)
        .arg(format!("/{NAME}"))
        .log(log)
        .env("KUBERNETES_SERVICE_HOST", host)
        .env("KUBERNETES_SERVICE_PORT", port);
    for argument in container["args"].as_array().unwrap() {
        spec = spec.arg(argument.as_str().unwrap());
    }
    for variable in container["env"].as_array().unwrap() {
        let value = match variable["valueFrom"]["fieldRef"]["fieldPath"].as_str() {
            Some("metadata.namespace") => HOME,
            Some("metadata.name") => "operator-0",
            Some(other) => panic!("{other}"),
            None => variable["value"].as_str().unwrap(),
        };
        spec = spec.env(variable["name"].as_str().unwrap(), value);
    }
    // The port of a pod is its own; here other operators run.
    let process = spec.args(["--admin-addr", &address]).spawn().unwrap();
    (process, address)
}

fn is_root() -> bool {
    let id = std::process::Command::new("id").arg("-u").output().unwrap();
    id.stdout == b"0\n"
}

#[tokio::test]
async fn t283_the_image_runs_in_an_empty_root_as_an_unprivileged_user_and_registers_at_a_provider_with_a_private_authority()
 {
    let binary = static_binary().await;
    let plane = ControlPlane::start(ControlPlaneOptions::default()).await.unwrap();
    let shell = Shell::new(&plane).await;
    let (succeeded, said) = shell
        .run("for bundle in namespace crds .; do kubectl apply -k deploy/$bundle; done")
        .await;
    assert!(succeeded, "{said}");

    let scratch = Scratch::new("image").unwrap();
    let root = scratch.path().join("root");
    for path in copied() {
        let source = match path.as_str() {
            "/oauth-client-operator" => binary.clone(),
            // Whatever this machine trusts stands for what the base image trusts.
            "/etc/ssl/certs/ca-certificates.crt" => path.clone().into(),
            other => panic!("the image holds {other}, which this test does not know"),
        };
        let file = root.join(path.trim_start_matches('/'));
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::copy(&source, &file).unwrap_or_else(|error| panic!("{}: {error}", source.display()));
    }
    // What a kubelet mounts.
    let token = plane.service_account_token(HOME, NAME).await.unwrap();
    let endpoint = plane.endpoint();
    put(
        &root,
        &format!("{ACCOUNT}/token"),
        secrecy::ExposeSecret::expose_secret(&token),
    );
    put(&root, &format!("{ACCOUNT}/ca.crt"), endpoint.ca_pem.unwrap());
    put(&root, &format!("{ACCOUNT}/namespace"), HOME);
    open(scratch.path());

    let log = scratch.path().join("log");
    let (process, address) = start(&root, &container(&shell).await, &endpoint.url, &log);
    let ready = async || {
        reqwest::get(format!("http://{address}/readyz"))
            .await?
            .error_for_status()
    };
    process.ready(Duration::from_mins(1), ready).await.unwrap();
    let status = std::fs::read_to_string(format!("/proc/{}/status", process.pid())).unwrap();
    for wanted in ["CapEff:\t0000000000000000", "CapPrm:\t0000000000000000"] {
        assert!(status.contains(wanted), "{status}");
    }
    assert!(
        std::fs::read_link(format!("/proc/{}/root", process.pid())).unwrap() == std::fs::canonicalize(&root).unwrap()
    );

    // No flag of the chart allows plain http or loopback.
    let double = ScriptableProvider::start_outside(Persona::Plain).await.unwrap();
    let provider = oauth_provider(&format!("issuer: {}\n{}", double.url(), ca_bundle(double.ca())));
    let manifests = provider + &oauth_client("app", "redirectURIs: ['https://app.example/callback']");
    plane
        .kubectl_with(&["-n", "default", "apply", "-f", "-"], &manifests)
        .await
        .unwrap()
        .stdout()
        .unwrap();
    let wait = [
        "-n",
        "default",
        "wait",
        "--for=condition=Ready",
        "oauthclient/app",
        "--timeout=60s",
    ];
    plane.kubectl(&wait).await.unwrap().stdout().unwrap();
    assert_eq!(double.clients().len(), 1);
    let delete = ["-n", "default", "delete", "oauthclient", "app", "--timeout=60s"];
    plane.kubectl(&delete).await.unwrap().stdout().unwrap();
    assert!(double.clients().is_empty());
    let status = process.stop().await.unwrap();
    assert!(status.success(), "{}", process.log());
}

/// Lets the user of the image pass through a directory that only this user may enter.
fn open(directory: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(directory, std::fs::Permissions::from_mode(0o755)).unwrap();
}
