//! Who this operator is.

/// This installation of the operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operator {
    /// Namespace of the records.
    pub namespace: String,
    /// Identity of the cluster.
    pub cluster_id: String,
    /// Why nothing may be changed at a provider: this may be a copy of another operator, which may still run.
    pub held: Option<String>,
    /// Whether objects in that namespace are served although its deletion would take their records along.
    pub serves_own_namespace: bool,
}
