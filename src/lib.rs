//! Kubernetes operator that registers OAuth clients.
