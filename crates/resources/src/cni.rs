//! The network plugin, recognised by the DaemonSets that run it.

use palisade_netmodel::{Cni, Enforcement, Profile};

/// DaemonSets and the plugins that they run, by the names of [`Profile::named`]. Our own agent comes after the
/// plugins that enforce: beside one of them it can only refuse more.
const KNOWN: [(&str, &str); 15] = [
    ("calico-node", "calico"),
    ("canal", "calico"),
    ("rke2-canal", "calico"),
    ("cilium", "cilium"),
    ("antrea-agent", "antrea"),
    ("weave-net", "weave-net"),
    ("kube-router", "kube-router"),
    ("ovnkube-node", "ovn-kubernetes"),
    ("ovs-node", "ovn-kubernetes"),
    ("kube-network-policies", "kube-network-policies"),
    ("kindnet", "kindnet"),
    ("palisade-agent", "palisade"),
    ("kube-flannel-ds", "flannel"),
    ("kube-flannel", "flannel"),
    ("kube-flannel-ds-amd64", "flannel"),
];

/// kindnet enforces policies from the images of kind v0.24 on, whose tags start with `v` and this
/// date or a later one.
const KINDNET_ENFORCES: u32 = 20_240_813;

/// The profile of the plugin that the DaemonSets show: the first one that enforces, since it may stand beside one
/// that does not (Calico on flannel). Each comes with the images of its pods.
pub(crate) fn detect(daemon_sets: &[(String, Vec<String>)]) -> Profile {
    let shown = KNOWN.iter().filter_map(|(name, plugin)| {
        let (_, images) = daemon_sets.iter().find(|(found, _)| found == name)?;
        match *plugin {
            "kindnet" => Some(kindnet(images)),
            plugin => Profile::named(plugin),
        }
    });
    let mut shown: Vec<Profile> = shown.collect();
    let enforces = |profile: &Profile| profile.cni.enforcement == Enforcement::Enforced;
    let best = shown.iter().position(enforces).unwrap_or_default();
    match shown.is_empty() {
        true => Profile::default(),
        false => shown.swap_remove(best),
    }
}

/// kindnet enforces through kube-network-policies, if its images are new enough.
fn kindnet(images: &[String]) -> Profile {
    let date = images.iter().find_map(|image| {
        let (_, tag) = image.rsplit_once(":v")?;
        tag.get(..8)?.parse::<u32>().ok()
    });
    let enforcement = match date {
        Some(date) if date < KINDNET_ENFORCES => Enforcement::NotEnforced,
        Some(_) => Enforcement::Enforced,
        None => Enforcement::NotShown,
    };
    // The same agent as kube-network-policies, without the kinds of administrators.
    Profile {
        ip_block_matches_pods: enforcement == Enforcement::Enforced,
        admin_kinds: Vec::new(),
        cni: Cni {
            name: Some("kindnet".to_owned()),
            enforcement,
        },
        ..Profile::default()
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
        for (_, plugin) in KNOWN {
            assert!(
                plugin == "kindnet" || Profile::named(plugin).is_some(),
                "{plugin}"
            );
        }
    }

    #[test]
    fn an_enforcing_plugin_wins() {
        let both = ["kube-flannel-ds", "calico-node"].map(|name| (name.to_owned(), Vec::new()));
        assert_eq!(detect(&both).cni.enforcement, Enforcement::Enforced);
    }

    #[test]
    fn our_own_agent_enforces_beside_what_does_not() {
        let old = "docker.io/kindest/kindnetd:v20230511-dc714da8";
        let new = "docker.io/kindest/kindnetd:v20250214-acbabc1a";
        for (plugin, image, name) in [
            ("fluentd", "", "palisade"),
            ("kube-flannel", "", "palisade"),
            ("kindnet", old, "palisade"),
            ("kindnet", new, "kindnet"),
            ("calico-node", "", "calico"),
        ] {
            let both = [(plugin, image), ("palisade-agent", "")]
                .map(|(set, image)| (set.to_owned(), vec![image.to_owned()]));
            assert_eq!(detect(&both).cni.name.as_deref(), Some(name), "{plugin}");
        }
    }
}
