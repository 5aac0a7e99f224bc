//! The pinned Go modules, as `tests/testbed/controlplane` holds them.

/// A pinned Go module of ours that requires the module to build.
#[derive(Debug)]
pub(super) struct Module {
    pub(super) version: &'static str,
    pub(super) go_mod: &'static str,
    pub(super) go_sum: &'static str,
    /// What `-X` sets, so that the program knows its version.
    pub(super) stamps: &'static [&'static str],
    /// The source, if the program is ours.
    pub(super) main_go: Option<&'static str>,
    /// Build tags.
    pub(super) tags: &'static [&'static str],
}

/// Version of Kubernetes that is built.
const KUBERNETES_VERSION: &str = "v1.36.3";

pub(super) static KUBERNETES: Module = Module {
    version: KUBERNETES_VERSION,
    go_mod: include_str!("../../../controlplane/kubernetes/go.mod"),
    go_sum: include_str!("../../../controlplane/kubernetes/go.sum"),
    // Without these, clients and the check of CRD versions see v0.0.0.
    stamps: &[
        "k8s.io/component-base/version.gitVersion=v1.36.3",
        "k8s.io/component-base/version.gitMajor=1",
        "k8s.io/component-base/version.gitMinor=36",
    ],
    main_go: None,
    tags: &[],
};
pub(super) static ETCD: Module = Module {
    version: "v3.6.16",
    go_mod: include_str!("../../../controlplane/etcd/go.mod"),
    go_sum: include_str!("../../../controlplane/etcd/go.sum"),
    stamps: &[],
    main_go: None,
    tags: &[],
};
pub(super) static HELM: Module = Module {
    version: "v3.22.0",
    go_mod: include_str!("../../../controlplane/helm/go.mod"),
    go_sum: include_str!("../../../controlplane/helm/go.sum"),
    stamps: &["helm.sh/helm/v3/internal/version.version=v3.22.0"],
    main_go: None,
    tags: &[],
};
pub(super) static HELM_4: Module = Module {
    version: "v4.3.1",
    go_mod: include_str!("../../../controlplane/helm4/go.mod"),
    go_sum: include_str!("../../../controlplane/helm4/go.sum"),
    stamps: &["helm.sh/helm/v4/internal/version.version=v4.3.1"],
    main_go: None,
    tags: &[],
};
pub(super) static KUBECONFORM: Module = Module {
    version: "v0.8.0",
    go_mod: include_str!("../../../controlplane/kubeconform/go.mod"),
    go_sum: include_str!("../../../controlplane/kubeconform/go.sum"),
    stamps: &["main.version=v0.8.0"],
    main_go: None,
    tags: &[],
};
pub(super) static KUSTOMIZE_CONTROLLER: Module = Module {
    version: "v1.9.6",
    go_mod: include_str!("../../../controlplane/kustomize-controller/go.mod"),
    go_sum: include_str!("../../../controlplane/kustomize-controller/go.sum"),
    stamps: &[],
    main_go: None,
    tags: &[],
};
pub(super) static VERDICT: Module = Module {
    // Of kstatus.
    version: "v0.37.2",
    go_mod: include_str!("../../../controlplane/verdict/go.mod"),
    go_sum: include_str!("../../../controlplane/verdict/go.sum"),
    stamps: &[],
    main_go: Some(include_str!("../../../controlplane/verdict/main.go")),
    tags: &[],
};

pub(super) static PROMETHEUS: Module = Module {
    version: "v0.316.0",
    go_mod: include_str!("../../../controlplane/prometheus/go.mod"),
    go_sum: include_str!("../../../controlplane/prometheus/go.sum"),
    stamps: &["github.com/prometheus/common/version.Version=0.316.0"],
    // The clients of clouds that find targets are most of what would be compiled.
    main_go: None,
    tags: &["remove_all_sd"],
};
