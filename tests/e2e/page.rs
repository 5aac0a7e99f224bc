//! Pages whose commands are run as they stand.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use testbed::control_plane::ControlPlane;
use testbed::operator::NAME;
use testbed::process::Scratch;
use testbed::provision::Program;

use crate::stage::BINARY;

/// A shell in the repository that knows kubectl, helm, the operator's commands and the cluster.
pub struct Shell {
    scratch: Scratch,
    kubeconfig: std::path::PathBuf,
    /// Further variables.
    pub env: Vec<(String, String)>,
}

impl Shell {
    pub async fn new(plane: &ControlPlane) -> Self {
        Self::with_helm(plane, Program::Helm).await
    }

    /// With one of the versions of Helm.
    pub async fn with_helm(plane: &ControlPlane, helm: Program) -> Self {
        let scratch = Scratch::new("shell").unwrap();
        for program in [Program::Kubectl, helm] {
            symlink(program.find().await.unwrap(), scratch.path().join(program.name())).unwrap();
        }
        symlink(BINARY, scratch.path().join(NAME)).unwrap();
        Self {
            scratch,
            kubeconfig: plane.kubeconfig().to_owned(),
            env: Vec::new(),
        }
    }

    /// Runs a script; what it printed, and whether it succeeded.
    pub async fn run(&self, script: &str) -> (bool, String) {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let mut places = vec![self.scratch.path().to_owned()];
        places.extend(std::env::split_paths(&path));
        let mut command = Command::new("bash");
        command
            .args(["-euo", "pipefail", "-c", script])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .env("PATH", std::env::join_paths(places).unwrap())
            .env("KUBECONFIG", &self.kubeconfig)
            .env("HOME", self.scratch.path())
            .envs(self.env.iter().map(|(name, value)| (name, value)));
        let output = tokio::task::spawn_blocking(move || command.output())
            .await
            .unwrap()
            .unwrap();
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        (output.status.success(), said)
    }
}

/// The commands of a page that need no running pod, in their order: nothing runs pods here.
pub fn commands(page: &str, heading: &str) -> Vec<String> {
    let blocks = blocks(page, heading).into_iter();
    blocks
        .filter(|(kind, _)| kind == "console")
        .map(|(_, block)| block)
        .collect()
}

/// The fenced blocks below a heading of a page, up to the next heading: what stands behind the fence, and the text.
pub fn blocks(page: &str, heading: &str) -> Vec<(String, String)> {
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(page)).unwrap();
    let level = heading.chars().take_while(|&letter| letter == '#').count();
    let ends = |line: &str| {
        let marks = line.chars().take_while(|&letter| letter == '#').count();
        (1..=level).contains(&marks) && line[marks..].starts_with(' ')
    };
    let mut found = Vec::new();
    let mut open: Option<(String, String)> = None;
    let mut lines = text.lines().skip_while(|line| *line != heading).peekable();
    assert!(lines.next().is_some(), "{page} has no heading {heading}");
    for line in lines {
        match (line.strip_prefix("```"), &mut open) {
            (Some(_), Some(_)) => found.extend(open.take()),
            (Some(kind), None) => open = Some((kind.to_owned(), String::new())),
            (None, Some((_, block))) => block.extend([line, "\n"]),
            (None, None) if ends(line) => break,
            (None, None) => (),
        }
    }
    assert!(!found.is_empty(), "{page} has no block below {heading}");
    found
}
