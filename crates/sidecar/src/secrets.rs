//! Certificates, which are written once for all the places in which a sidecar uses them.

use crate::Credentials;
use serde_json::{Value, json};

/// The workload's own certificate.
pub(crate) const WORKLOAD: &str = "workload";
/// The one that DestinationRules name.
pub(crate) const NAMED: &str = "named";
const AUTHORITY: &str = "authority";

/// All of them.
pub(crate) fn all(credentials: Credentials<'_>) -> Value {
    let text = |text: &str| json!({"inline_string": text});
    let certificate = |name: &str, (certificate, key): (&str, &str)| {
        let both = json!({"certificate_chain": text(certificate), "private_key": text(key)});
        json!({"name": name, "tls_certificate": both})
    };
    json!([
        certificate(WORKLOAD, (credentials.certificate, credentials.key)),
        certificate(NAMED, credentials.named),
        {"name": AUTHORITY, "validation_context": {"trusted_ca": text(credentials.authority)}},
    ])
}

/// The other side has a certificate of the mesh's authority, for one of some names.
pub(crate) fn authority(names: &[Value]) -> Value {
    json!({
        "default_validation_context": {"match_typed_subject_alt_names": names},
        "validation_context_sds_secret_config": {"name": AUTHORITY},
    })
}
