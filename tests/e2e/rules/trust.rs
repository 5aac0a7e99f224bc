//! Cases of the rules about the certificate authorities of a provider.

use serde_json::json;

use super::{Case, PATTERN, case};

pub(super) fn trust() -> Vec<Case> {
    let named = json!({"secretRef": {"name": "a.b"}});
    vec![
        case(
            ".spec.tls.caBundle",
            PATTERN,
            json!({"tls": {"caBundle": "none"}}),
            json!({"tls": {"caBundle": "-----BEGIN CERTIFICATE-----"}}),
        ),
        case(
            ".spec.tls",
            "set either caBundle or caBundleFrom, not both",
            json!({"tls": {"caBundle": "-----BEGIN CERTIFICATE-----", "caBundleFrom": named}}),
            json!({"tls": {"caBundleFrom": named}}),
        ),
        case(
            ".spec.tls.caBundleFrom.secretRef.name",
            PATTERN,
            json!({"tls": {"caBundleFrom": {"secretRef": {"name": "a..b"}}}}),
            json!({"tls": {"caBundleFrom": named}}),
        ),
        case(
            ".spec.tls.caBundleFrom",
            "set exactly one of secretRef and configMapRef",
            json!({"tls": {"caBundleFrom": {"secretRef": {"name": "a"}, "configMapRef": {"name": "a"}}}}),
            json!({"tls": {"caBundleFrom": {"configMapRef": {"name": "a"}}}}),
        ),
        case(
            ".spec.tls.caBundleFrom",
            "set exactly one of secretRef and configMapRef",
            json!({"tls": {"caBundleFrom": {}}}),
            json!({"tls": {"caBundleFrom": named}}),
        ),
        case(
            ".spec.tls.caBundleFrom.configMapRef.name",
            PATTERN,
            json!({"tls": {"caBundleFrom": {"configMapRef": {"name": "a..b"}}}}),
            json!({"tls": {"caBundleFrom": {"configMapRef": {"name": "a.b"}}}}),
        ),
        case(
            ".spec.tls.caBundleFrom.configMapRef.key",
            PATTERN,
            json!({"tls": {"caBundleFrom": {"configMapRef": {"name": "a", "key": "a/b"}}}}),
            json!({"tls": {"caBundleFrom": {"configMapRef": {"name": "a", "key": "ca-bundle_1.crt"}}}}),
        ),
    ]
}
