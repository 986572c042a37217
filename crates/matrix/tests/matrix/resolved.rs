//! What a matrix resolves to.

use crate::{SHOP, errors, good, intent, toggles};
use palisade_diagnostics::FileId;
use palisade_matrix::{Choice, parse_all, resolutions, resolve};
use palisade_netmodel::{
    ClaimScope, Direction, Fidelity, Grant, Hop, Intent, MeshMode, MtlsMode, NamespaceMatch, Peer,
    Peers, PolicyPort, Protocol, Requirement,
};

fn grants<'i>(intent: &'i Intent, id: &str) -> Vec<&'i Grant> {
    intent.grants.iter().filter(|g| g.id == id).collect()
}

fn one<'i>(intent: &'i Intent, id: &str) -> &'i Grant {
    let found = grants(intent, id);
    assert_eq!(found.len(), 1, "{id}");
    found[0]
}

fn tcp(port: u16) -> PolicyPort {
    PolicyPort::Range {
        protocol: Protocol::Tcp,
        first: port,
        last: port,
    }
}

#[test]
fn a_flow_via_a_gateway_is_two_grants() {
    let intent = intent(&good(SHOP), &Choice::default());
    let hops = grants(&intent, "browse");
    let [first, second] = hops.as_slice() else {
        panic!("{hops:#?}")
    };
    assert_eq!((first.hop, second.hop), (Hop::ToGateway, Hop::FromGateway));
    assert_eq!(
        (first.to.name.as_str(), second.from.name.as_str()),
        ("gateway", "gateway")
    );
    assert_eq!(first.from.peers, Peers::Any);
    assert_eq!(
        first.ports,
        Some(vec![tcp(8443)]),
        "only where the gateway serves TLS"
    );
    assert_eq!(second.ports, Some(vec![tcp(8000)]));
    assert_eq!(
        (first.encryption, second.encryption),
        (Requirement::Tls, Requirement::MeshMtls)
    );
}

#[test]
fn parameters_take_defaults_and_given_values() {
    let matrix = good(SHOP);
    let default = intent(&matrix, &Choice::default());
    assert_eq!(one(&default, "store").ports, Some(vec![tcp(5432)]));
    let choice = Choice {
        parameters: [
            ("namespace".to_owned(), "boutique".to_owned()),
            ("databasePort".to_owned(), "3306".to_owned()),
        ]
        .into(),
        ..Choice::default()
    };
    let given = intent(&matrix, &choice);
    assert_eq!(one(&given, "store").ports, Some(vec![tcp(3306)]));
    assert!(
        given
            .components
            .iter()
            .any(|c| c.name == "web" && c.namespace == "boutique")
    );
    let zone = given
        .zones
        .iter()
        .find(|z| z.name == "system")
        .expect("the zone");
    assert!(
        zone.namespaces
            .contains(&NamespaceMatch::Named("boutique".to_owned()))
    );
}

#[test]
fn isolation_becomes_claims() {
    let matrix = good(SHOP);
    let count = |intent: &Intent, direction, zone: bool| {
        let of = |c: &&palisade_netmodel::Claim| {
            c.direction == direction && matches!(c.scope, ClaimScope::Zone(_)) == zone
        };
        intent.claims.iter().filter(of).count()
    };
    let plain = intent(&matrix, &Choice::default());
    assert_eq!(
        count(&plain, Direction::Ingress, true),
        2,
        "one per namespace"
    );
    assert_eq!(count(&plain, Direction::Ingress, false), 0);
    assert_eq!(count(&plain, Direction::Egress, false), 0);
    let strict = intent(&matrix, &toggles(&[("strict", true)]));
    assert_eq!(
        count(&strict, Direction::Egress, false),
        3,
        "one per component"
    );
    let without = intent(&matrix, &toggles(&[("strict", true), ("policies", false)]));
    assert_eq!(
        count(&without, Direction::Egress, false),
        2,
        "none for what has no policies"
    );
    let web = without
        .components
        .iter()
        .find(|c| c.name == "web")
        .expect("web");
    assert!(!web.managed);
    assert_eq!(grants(&without, "store").len(), 1, "its flows stay");
}

#[test]
fn mesh_follows_its_condition() {
    let matrix = good(SHOP);
    let plain = intent(&matrix, &Choice::default());
    assert!(plain.components.iter().all(|c| c.mesh == MeshMode::None));
    assert!(grants(&plain, "implied/mesh-control-plane/system").is_empty());
    let meshed = intent(&matrix, &toggles(&[("meshed", true)]));
    let strict = |c: &palisade_netmodel::Component| {
        c.mesh == MeshMode::Sidecar && c.mtls == MtlsMode::Strict
    };
    assert!(meshed.components.iter().all(strict));
    assert_eq!(meshed.prerequisites.len(), plain.prerequisites.len() + 1);
}

#[test]
fn an_allow_cell_is_a_grant_while_it_allows() {
    let matrix = good(SHOP);
    let open = intent(&matrix, &Choice::default());
    assert_eq!(one(&open, "cell/system/external").ports, None);
    let strict = intent(&matrix, &toggles(&[("strict", true)]));
    assert!(grants(&strict, "cell/system/external").is_empty());
}

#[test]
fn dns_follows_the_platform() {
    let matrix = good(SHOP);
    for (platform, namespace, more) in [
        ("kubernetes", "kube-system", 2),
        ("openshift", "openshift-dns", 3),
    ] {
        let choice = Choice {
            platform: Some(platform.to_owned()),
            ..Choice::default()
        };
        let intent = intent(&matrix, &choice);
        let grant = one(&intent, "implied/dns/system");
        assert_eq!(grant.ports.as_ref().map(Vec::len), Some(more), "{platform}");
        let Peers::List(peers) = &grant.to.peers else {
            panic!("everybody")
        };
        let [Peer::Pods { namespaces, .. }] = peers.as_slice() else {
            panic!("{peers:?}")
        };
        assert_eq!(*namespaces, NamespaceMatch::Named(namespace.to_owned()));
    }
}

#[test]
fn the_first_variant_that_holds_is_used() {
    let text = SHOP.replace(
        "  - {id: redirect,",
        "  - {id: webhook, from: kube-apiserver, to: gateway, ports: [http], reason: A webhook, enforce: [Ingress]}\n  - {id: redirect,",
    );
    let matrix = good(&text);
    let wide = intent(&matrix, &Choice::default());
    let grant = one(&wide, "webhook");
    assert_eq!(grant.from.peers, Peers::Any);
    assert_eq!(
        grant.from.fidelity,
        Fidelity::Wider("the source is not restricted".to_owned())
    );
    assert!(grant.ingress && !grant.egress);
    let choice = Choice {
        parameters: [(
            "apiServerCidrs".to_owned(),
            "10.0.0.0/30,2001:db8::/64".to_owned(),
        )]
        .into(),
        ..Choice::default()
    };
    let exact = intent(&matrix, &choice);
    let grant = one(&exact, "webhook");
    assert_eq!(grant.from.fidelity, Fidelity::Exact);
    assert!(matches!(&grant.from.peers, Peers::List(list) if list.len() == 2));
}

#[test]
fn fragments_are_merged_in_any_order() {
    let fragment = "apiVersion: palisade.dev/v1alpha1\nkind: TrafficMatrixFragment\nmetadata: {name: more}\nspec:\n  flows:\n  - {id: more, from: gateway, to: db, ports: [sql], reason: Reports are made}\n";
    for texts in [[SHOP, fragment], [fragment, SHOP]] {
        let parsed = parse_all(&[(FileId(0), texts[0]), (FileId(1), texts[1])]);
        assert_eq!(errors(&parsed.diagnostics), Vec::<String>::new());
        let matrix = parsed.matrix.expect("a matrix");
        assert_eq!(
            one(&intent(&matrix, &Choice::default()), "more").ports,
            Some(vec![tcp(5432)])
        );
    }
}

#[test]
fn the_choice_is_checked() {
    let matrix = good(SHOP);
    let choice = Choice {
        platform: Some("openshif".to_owned()),
        toggles: [("messed".to_owned(), true)].into(),
        parameters: [
            ("databasePort".to_owned(), "sql".to_owned()),
            ("namspace".to_owned(), "x".to_owned()),
        ]
        .into(),
        cni: None,
    };
    assert_eq!(
        errors(&resolve(&matrix, &choice).1),
        [
            "PAL0230 the matrix has no platform `openshif` | did you mean `openshift`?",
            "PAL0230 the matrix has no toggle `messed` | did you mean `meshed`?",
            "PAL0230 the matrix has no parameter `namspace` | did you mean `namespace`?",
            "PAL0233 value `sql` of parameter `databasePort` is not a port, 1 to 65535 | give a port, 1 to 65535",
            "PAL0233 `sql` is not a port, 1 to 65535 | give a port, 1 to 65535",
        ]
    );
}

#[test]
fn many_toggles_are_covered_where_they_meet() {
    let extra: String = (0..8)
        .map(|i| format!("  - {{name: t{i}, default: false, reason: one of many}}\n"))
        .collect();
    let text = SHOP.replace("  requires:\n", &format!("{extra}  requires:\n"));
    let found = resolutions(&good(&text));
    assert!(!found.exhaustive);
    for bits in 0..8_u8 {
        let wanted = [
            ("meshed", bits & 1 > 0),
            ("strict", bits & 2 > 0),
            ("policies", bits & 4 > 0),
        ];
        let has = |choice: &Choice| {
            wanted
                .iter()
                .all(|(n, on)| choice.toggles.get(*n) == Some(on))
        };
        assert!(
            found.choices.iter().any(has),
            "{wanted:?} meet in flow store"
        );
    }
    assert!(found.choices.len() < 200, "{}", found.choices.len());
}
