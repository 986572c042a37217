//! Which pods a node's ztunnel captures (`istio-cni, cni/pkg/util/podutil.go: PodRedirectionEnabled`).

use crate::pods::PodShape;
use palisade_netmodel::{Capture, Labels, Proxy};

/// The label of namespaces and pods that chooses ambient mode, or `none`.
const MODE: &str = "istio.io/dataplane-mode";
/// What the node's agent writes on a pod that it has captured.
const REDIRECTION: &str = "ambient.istio.io/redirection";
/// Asks that plaintext which arrives is left alone.
const BYPASS: &str = "ambient.istio.io/bypass-inbound-capture";

/// The capture of a pod without a proxy of its own, off the host network; `None` if nothing asks for
/// it. `exists`: the pod runs, and so shows whether it is captured.
pub(crate) fn capture(shape: &PodShape, namespace: &Labels, exists: bool) -> Option<Proxy> {
    let asks = match shape.labels.get(MODE) {
        Some("ambient") => true,
        Some("none") => false,
        _ => namespace.get(MODE) == Some("ambient"),
    };
    let shown = shape.annotations.get(REDIRECTION).map(String::as_str);
    let capture = match (exists, shown, asks) {
        (true, Some("enabled"), true) => Capture::Shown,
        // On its way in, or on its way out.
        (true, Some("enabled" | "pending"), _) | (true, _, true) => Capture::Unclear,
        (false, _, true) => Capture::Assumed,
        (_, _, false) => return None,
    };
    let bypass = shape.annotations.get(BYPASS).map(String::as_str);
    Some(Proxy::Ambient {
        capture,
        // What Go's `ParseBool` reads as true.
        bypass_inbound: matches!(bypass, Some("1" | "t" | "T" | "true" | "TRUE" | "True")),
    })
}
