//! The network plugin, recognised by the DaemonSets that run it.

use palisade_netmodel::{Cni, Enforcement, Profile};

/// A DaemonSet, its plugin, whether `ipBlock` matches pods there, and whether it enforces.
type Known = (&'static str, &'static str, bool, Enforcement);

/// DaemonSets of plugins. An enforcing plugin beside one that does not enforce (Calico on flannel)
/// comes first.
const KNOWN: [Known; 14] = [
    ("calico-node", "calico", true, Enforcement::Enforced),
    ("canal", "calico", true, Enforcement::Enforced),
    ("rke2-canal", "calico", true, Enforcement::Enforced),
    ("cilium", "cilium", false, Enforcement::Enforced),
    ("antrea-agent", "antrea", true, Enforcement::Enforced),
    ("weave-net", "weave-net", true, Enforcement::Enforced),
    ("kube-router", "kube-router", true, Enforcement::Enforced),
    (
        "ovnkube-node",
        "ovn-kubernetes",
        true,
        Enforcement::Enforced,
    ),
    ("ovs-node", "ovn-kubernetes", true, Enforcement::Enforced),
    (
        "kube-network-policies",
        "kube-network-policies",
        true,
        Enforcement::Enforced,
    ),
    // Its images tell whether it enforces.
    ("kindnet", "kindnet", true, Enforcement::NotShown),
    (
        "kube-flannel-ds",
        "flannel",
        false,
        Enforcement::NotEnforced,
    ),
    ("kube-flannel", "flannel", false, Enforcement::NotEnforced),
    (
        "kube-flannel-ds-amd64",
        "flannel",
        false,
        Enforcement::NotEnforced,
    ),
];

/// kindnet enforces policies from the images of kind v0.24 on, whose tags start with `v` and this
/// date or a later one.
const KINDNET_ENFORCES: u32 = 20_240_813;

/// The profile of the plugin that the DaemonSets show. Each comes with the images of its pods.
pub(crate) fn detect(daemon_sets: &[(String, Vec<String>)]) -> Profile {
    for (name, plugin, ip_block_matches_pods, known) in KNOWN {
        let Some((_, images)) = daemon_sets.iter().find(|(found, _)| found == name) else {
            continue;
        };
        let enforcement = if known == Enforcement::NotShown {
            kindnet(images)
        } else {
            known
        };
        return Profile {
            ip_block_matches_pods: ip_block_matches_pods && enforcement == Enforcement::Enforced,
            cni: Cni {
                name: Some(plugin.to_owned()),
                enforcement,
            },
        };
    }
    Profile::default()
}

fn kindnet(images: &[String]) -> Enforcement {
    let date = images.iter().find_map(|image| {
        let (_, tag) = image.rsplit_once(":v")?;
        tag.get(..8)?.parse::<u32>().ok()
    });
    match date {
        Some(date) if date < KINDNET_ENFORCES => Enforcement::NotEnforced,
        Some(_) => Enforcement::Enforced,
        None => Enforcement::NotShown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plugins_are_recognised() {
        let detect = |name: &str, image: &str| {
            let found = detect(&[(name.to_owned(), vec![image.to_owned()])]);
            (found.cni.name, found.cni.enforcement)
        };
        let named = |name: &str| Some(name.to_owned());
        let enforced = Enforcement::Enforced;
        assert_eq!(detect("calico-node", ""), (named("calico"), enforced));
        assert_eq!(detect("cilium", ""), (named("cilium"), enforced));
        let old = "docker.io/kindest/kindnetd:v20230511-dc714da8";
        let off = Enforcement::NotEnforced;
        assert_eq!(detect("kindnet", old), (named("kindnet"), off));
        let new = "docker.io/kindest/kindnetd:v20250214-acbabc1a";
        assert_eq!(detect("kindnet", new), (named("kindnet"), enforced));
        let unknown = Enforcement::NotShown;
        assert_eq!(detect("kindnet", "kindnetd"), (named("kindnet"), unknown));
        assert_eq!(detect("kube-flannel-ds", ""), (named("flannel"), off));
        assert_eq!(detect("fluentd", ""), (None, unknown));
    }

    #[test]
    fn an_enforcing_plugin_wins() {
        let both = ["kube-flannel-ds", "calico-node"].map(|name| (name.to_owned(), Vec::new()));
        assert_eq!(detect(&both).cni.enforcement, Enforcement::Enforced);
    }
}
