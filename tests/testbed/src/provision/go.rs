//! Programs built from published Go modules: the parts of Kubernetes, etcd, Helm, kubeconform, Flux, promtool, and a program of ours that asks
//! libraries of others.
//!
//! The pinned `go.mod` and `go.sum` files lie in `tests/testbed/controlplane` and are compiled in.

mod modules;

use std::path::{Path, PathBuf};

use super::{ProvisionError, Tool, archive, cached, key, write};
use crate::process::Spec;

use modules::{ETCD, HELM, HELM_4, KUBECONFORM, KUBERNETES, KUSTOMIZE_CONTROLLER, Module, PROMETHEUS, VERDICT};

pub(super) const GO: Tool = Tool {
    program: "go",
    version_args: &["version"],
    install: "Go 1.26 or newer (with a module proxy in reach)",
};

/// A program that the control plane or a check needs.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Program {
    /// The API server.
    KubeApiserver,
    /// The controllers of Kubernetes itself.
    KubeControllerManager,
    /// The command line client.
    Kubectl,
    /// The API server's store.
    Etcd,
    /// Helm 3.
    Helm,
    /// Helm 4.
    Helm4,
    /// Checks manifests against schemas.
    Kubeconform,
    /// Flux's controller that applies what a source holds.
    KustomizeController,
    /// Tells what kstatus, and a health script of Argo CD, say about an object; ours.
    Verdict,
    /// Checks and evaluates rules and queries of Prometheus.
    Promtool,
}

impl Program {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Etcd,
        Self::KubeApiserver,
        Self::KubeControllerManager,
        Self::Kubectl,
        Self::Helm,
        Self::Helm4,
        Self::Kubeconform,
        Self::KustomizeController,
        Self::Verdict,
        Self::Promtool,
    ];

    /// Name of the executable.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::KubeApiserver => "kube-apiserver",
            Self::KubeControllerManager => "kube-controller-manager",
            Self::Kubectl => "kubectl",
            Self::Etcd => "etcd",
            Self::Helm | Self::Helm4 => "helm",
            Self::Kubeconform => "kubeconform",
            Self::KustomizeController => "kustomize-controller",
            Self::Verdict => "verdict",
            Self::Promtool => "promtool",
        }
    }

    /// The version that is built.
    #[must_use]
    pub fn version(self) -> &'static str {
        self.module().version
    }

    /// Where the program is: what the environment names, a fitting one in `PATH`, a published archive, the cache, or built now.
    ///
    /// The environment's names are those of Kubernetes' envtest: `TEST_ASSET_KUBE_APISERVER` and the like
    /// name a file, `KUBEBUILDER_ASSETS` a directory. What they name is taken as it is.
    pub async fn find(self) -> Result<PathBuf, ProvisionError> {
        let mut tried = match self.elsewhere().await {
            Ok(file) => return Ok(file),
            Err(tried) => tried,
        };
        match archive::find(self).await {
            Ok(file) => return Ok(file),
            Err(why) => tried.push(format!("published archives: {why}")),
        }
        match self.built().await {
            Ok(file) => Ok(file),
            Err(why) => {
                tried.push(format!("cache and Go build: {why}"));
                let tried = tried
                    .into_iter()
                    .fold(String::new(), |text, line| text + "  " + &line + "\n");
                Err(ProvisionError::Nowhere {
                    program: self.name().into(),
                    version: self.version().into(),
                    tried,
                })
            }
        }
    }

    /// What the environment names, or a fitting one in `PATH`; what was tried, if there is none.
    async fn elsewhere(self) -> Result<PathBuf, Vec<String>> {
        let mut tried = Vec::new();
        for (variable, file) in self.named_by_environment() {
            match file {
                Some(file) if file.is_file() => return Ok(file),
                Some(file) => tried.push(format!("{variable}: {} is not there", file.display())),
                None => tried.push(format!("{variable}: not set")),
            }
        }
        self.in_path().await.map_err(|why| {
            tried.push(why);
            tried
        })
    }

    fn named_by_environment(self) -> Vec<(String, Option<PathBuf>)> {
        if !self.is_of_the_control_plane() {
            return Vec::new();
        }
        let own = format!("TEST_ASSET_{}", self.name().to_uppercase().replace('-', "_"));
        let own_file = std::env::var_os(&own).map(PathBuf::from);
        let dir_file = std::env::var_os("KUBEBUILDER_ASSETS").map(|dir| Path::new(&dir).join(self.name()));
        vec![(own, own_file), ("KUBEBUILDER_ASSETS".to_owned(), dir_file)]
    }

    /// Whether envtest knows it.
    const fn is_of_the_control_plane(self) -> bool {
        matches!(
            self,
            Self::KubeApiserver | Self::KubeControllerManager | Self::Kubectl | Self::Etcd
        )
    }

    /// A program in `PATH`, if its version is of the line that we test with.
    async fn in_path(self) -> Result<PathBuf, String> {
        if matches!(self, Self::KustomizeController | Self::Verdict) {
            return Err("PATH: not searched, for the program does not tell its version".to_owned());
        }
        let path = std::env::var_os("PATH").unwrap_or_default();
        let found = std::env::split_paths(&path)
            .map(|dir| dir.join(self.name()))
            .find(|file| file.is_file());
        let Some(file) = found else {
            return Err(format!("PATH: no {}", self.name()));
        };
        let (args, wanted): (&[&str], &str) = match self {
            Self::KubeApiserver | Self::KubeControllerManager => (&["--version"], "v1.36."),
            Self::Kubectl => (&["version", "--client"], "v1.36."),
            Self::Etcd => (&["--version"], "3.6."),
            Self::Helm => (&["version", "--short"], "v3."),
            Self::Helm4 => (&["version", "--short"], "v4."),
            Self::Kubeconform => (&["-v"], "v0.8."),
            Self::KustomizeController | Self::Verdict => (&[], ""),
            // Its module is numbered otherwise than its releases.
            Self::Promtool => (&["--version"], "3."),
        };
        let said = tokio::process::Command::new(&file).args(args).output().await;
        let said = said
            .map(|output| String::from_utf8_lossy(&output.stdout).into_owned())
            .unwrap_or_default();
        if said.split_whitespace().any(|word| word.starts_with(wanted)) {
            Ok(file)
        } else {
            let line = said.lines().next().unwrap_or_default();
            Err(format!("PATH: {} says {line:?}, wanted {wanted}x", file.display()))
        }
    }

    /// From the cache, or built now, with the other programs of its module in the same build.
    async fn built(self) -> Result<PathBuf, ProvisionError> {
        let module = self.module();
        let mut programs = vec![self];
        for other in self.siblings() {
            if other.elsewhere().await.is_err() && archive::find(other).await.is_err() {
                programs.push(other);
            }
        }
        programs.sort_by_key(|program| program.name());
        let names: Vec<_> = programs.iter().map(|program| program.name()).collect();
        let name = if names.len() == 1 { names[0] } else { "kubernetes" };
        let stamps = module.stamps.join(" ");
        let mut inputs = vec![module.go_mod, module.go_sum, &stamps];
        inputs.extend(module.main_go);
        inputs.extend(programs.iter().map(|program| program.package()));
        inputs.extend(module.tags);
        let label = format!("{} {} (Go build)", names.join(", "), module.version);
        let key = key(name, module.version, &inputs);
        let entry = cached(&key, &label, async |dir| self.build(dir, &programs).await).await?;
        Ok(entry.join(self.name()))
    }

    /// The other programs of its module. In one build, the packages that they have in common are compiled once, and every core is busy.
    fn siblings(self) -> impl Iterator<Item = Self> {
        let module = self.module();
        Self::ALL
            .into_iter()
            .filter(move |other| *other != self && std::ptr::eq(other.module(), module))
    }

    async fn build(self, dir: &Path, programs: &[Self]) -> Result<(), ProvisionError> {
        GO.require().await?;
        let module = self.module();
        let source = dir.join("module");
        write(&source.join("go.mod"), module.go_mod)?;
        write(&source.join("go.sum"), module.go_sum)?;
        if let Some(main_go) = module.main_go {
            write(&source.join("main.go"), main_go)?;
        }
        let flags = module
            .stamps
            .iter()
            .fold("-s -w".to_owned(), |flags, stamp| flags + " -X " + stamp);
        // A build of several programs writes them into a directory, under the last elements of their packages' names.
        let out = if programs.len() == 1 {
            dir.join(self.name())
        } else {
            dir.to_owned()
        };
        // A part that only some tests need is built while others run, which must not wait for the compiler.
        let politely = !(self.is_of_the_control_plane() || self == Self::Helm);
        let (program, first): (_, &[&str]) = if politely {
            ("nice", &["-n", "19", "go"])
        } else {
            ("go", &[])
        };
        let build = Spec::new(format!("go build {}", self.name()), program)
            .args(first)
            .args(["build", "-mod=readonly", "-trimpath", "-buildvcs=false", "-ldflags"])
            .arg(flags)
            .arg("-tags")
            .arg(module.tags.join(","))
            .arg("-o")
            .arg(out)
            .args(programs.iter().map(|program| program.package()))
            .env("CGO_ENABLED", "0")
            .env("GOWORK", "off");
        GO.run(&source, build).await?;
        super::remove(&source)
    }

    fn module(self) -> &'static Module {
        match self {
            Self::KubeApiserver | Self::KubeControllerManager | Self::Kubectl => &KUBERNETES,
            Self::Etcd => &ETCD,
            Self::Helm => &HELM,
            Self::Helm4 => &HELM_4,
            Self::Kubeconform => &KUBECONFORM,
            Self::KustomizeController => &KUSTOMIZE_CONTROLLER,
            Self::Verdict => &VERDICT,
            Self::Promtool => &PROMETHEUS,
        }
    }

    fn package(self) -> &'static str {
        match self {
            Self::KubeApiserver => "k8s.io/kubernetes/cmd/kube-apiserver",
            Self::KubeControllerManager => "k8s.io/kubernetes/cmd/kube-controller-manager",
            Self::Kubectl => "k8s.io/kubernetes/cmd/kubectl",
            Self::Etcd => "go.etcd.io/etcd/server/v3",
            Self::Helm => "helm.sh/helm/v3/cmd/helm",
            Self::Helm4 => "helm.sh/helm/v4/cmd/helm",
            Self::Kubeconform => "github.com/yannh/kubeconform/cmd/kubeconform",
            Self::KustomizeController => "github.com/fluxcd/kustomize-controller",
            Self::Verdict => "controlplane/verdict",
            Self::Promtool => "github.com/prometheus/prometheus/cmd/promtool",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t134_what_kubernetes_consists_of_is_built_at_once_and_the_rest_alone() {
        let together = [Program::KubeApiserver, Program::KubeControllerManager, Program::Kubectl];
        for program in together {
            assert!(
                program
                    .siblings()
                    .eq(together.into_iter().filter(|other| *other != program))
            );
            // `go build` names each program after the last element of its package.
            assert!(program.package().ends_with(&format!("/{}", program.name())));
        }
        for program in Program::ALL.iter().filter(|program| !together.contains(program)) {
            assert_eq!(program.siblings().count(), 0);
        }
    }

    #[test]
    fn stamps_and_module_files_agree_with_the_version() {
        for program in Program::ALL {
            let module = program.module();
            let bare = module.version.trim_start_matches('v');
            assert!(module.go_mod.contains(module.version), "{}", program.name());
            let stamped = module
                .stamps
                .iter()
                .filter(|stamp| stamp.contains("ersion="))
                .all(|stamp| stamp.ends_with(bare));
            assert!(stamped, "{}: {:?}", program.name(), module.stamps);
        }
    }
}
