//! Words and layout that the answers about connections share.

use palisade_diagnostics::{Prerequisite, Verdict};
use palisade_netmodel::{Encryption, Enforcement, Pod, Proxy, World};

/// Columns of a cell before its list goes on below.
const WIDTH: usize = 64;

/// What is proven of the wire.
pub(crate) fn wire(wire: Encryption) -> &'static str {
    match wire {
        Encryption::None => "plaintext possible",
        Encryption::Tls => "TLS",
        Encryption::MeshMtls => "mesh mTLS",
    }
}

/// Whether the mesh says anything about this world.
pub(crate) fn has_mesh(world: &World) -> bool {
    world
        .pods
        .iter()
        .any(|pod: &Pod| !matches!(pod.proxy, Proxy::None { .. }))
}

/// Names joined by commas, on as many lines as a column wants.
pub(crate) fn joined(names: &[String]) -> String {
    let mut out = String::new();
    let mut width = 0;
    for (index, name) in names.iter().enumerate() {
        let length = name.chars().count();
        if index > 0 {
            out.push(',');
            if width + length + 2 > WIDTH {
                out.push('\n');
                width = 0;
            } else {
                out.push(' ');
                width += 2;
            }
        }
        out.push_str(name);
        width += length;
    }
    out
}

/// What every answer about NetworkPolicy rests on.
pub(crate) fn enforcement(world: &World) -> Prerequisite {
    let plugin = world.profile.cni.name.as_deref().unwrap_or("unknown");
    let (verdict, detail) = match world.profile.cni.enforcement {
        Enforcement::Enforced => (Verdict::Holds, format!("network plugin: {plugin}")),
        Enforcement::NotEnforced => (
            Verdict::Holds,
            format!("`{plugin}` ignores NetworkPolicy, and the answer takes that into account"),
        ),
        Enforcement::NotShown => (
            Verdict::Unknown,
            "the input does not show the network plugin; the answer is for one that enforces (name it with `--cni`)"
                .to_owned(),
        ),
    };
    Prerequisite {
        title: "the network plugin enforces NetworkPolicy".to_owned(),
        verdict,
        detail,
    }
}

/// `1 workload`, `2 workloads`.
pub(crate) fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}
