//! Small intents, written out as the matrix would resolve them.

use palisade_netmodel::{
    Claim, ClaimScope, Component, DeclaredPort, Direction, Fidelity, Grant, Hop, Intent, MeshMode,
    MtlsMode, NamespaceMatch, Origin, OutboundMode, Party, Peer, Peers, PolicyPort, Protocol,
    Requirement, Selector, Serves, Zone, ZoneKind,
};

pub(crate) fn tcp(port: u16) -> PolicyPort {
    PolicyPort::Range {
        protocol: Protocol::Tcp,
        first: port,
        last: port,
    }
}

pub(crate) fn zone(name: &str, namespaces: &[&str], mesh: MeshMode) -> Zone {
    Zone {
        origin: Origin::default(),
        name: name.to_owned(),
        title: name.to_owned(),
        kind: ZoneKind::System,
        namespaces: namespaces
            .iter()
            .map(|n| NamespaceMatch::Named((*n).to_owned()))
            .collect(),
        mesh,
        mtls: MtlsMode::Strict,
        outbound: (mesh == MeshMode::Sidecar).then_some(OutboundMode::RegistryOnly),
        inject_namespaces: mesh == MeshMode::Sidecar,
    }
}

pub(crate) fn component(name: &str, zone: &str, namespace: &str, mesh: MeshMode) -> Component {
    Component {
        origin: Origin::default(),
        name: name.to_owned(),
        title: name.to_owned(),
        zone: zone.to_owned(),
        namespace: namespace.to_owned(),
        selector: Selector::of([("app", name)]),
        service_account: Some(name.to_owned()),
        ports: Vec::new(),
        managed: true,
        mesh,
        mtls: MtlsMode::Strict,
        gateway: false,
        open: false,
    }
}

pub(crate) fn port(name: &str, number: u16) -> DeclaredPort {
    DeclaredPort {
        name: name.to_owned(),
        protocol: Protocol::Tcp,
        port: number,
        end_port: number,
        serves: Serves::Plain,
        mesh_bypass: false,
        credentials: Vec::new(),
        hosts: Vec::new(),
    }
}

pub(crate) fn pods(component: &Component) -> Party {
    Party {
        name: component.name.clone(),
        component: Some(component.name.clone()),
        peers: Peers::List(vec![Peer::Pods {
            namespaces: NamespaceMatch::Named(component.namespace.clone()),
            pods: component.selector.clone(),
        }]),
        fidelity: Fidelity::Exact,
        hosts: Vec::new(),
    }
}

pub(crate) fn all_of(zone: &Zone) -> Party {
    let peers = zone.namespaces.iter().map(|n| Peer::Pods {
        namespaces: n.clone(),
        pods: Selector::everything(),
    });
    Party {
        name: zone.name.clone(),
        component: None,
        peers: Peers::List(peers.collect()),
        fidelity: Fidelity::Exact,
        hosts: Vec::new(),
    }
}

pub(crate) fn party(name: &str, peers: Peers, fidelity: Fidelity) -> Party {
    Party {
        name: name.to_owned(),
        component: None,
        peers,
        fidelity,
        hosts: Vec::new(),
    }
}

pub(crate) fn grant(id: &str, from: &Party, to: &Party, ports: &[PolicyPort]) -> Grant {
    Grant {
        origin: Origin::default(),
        id: id.to_owned(),
        reason: format!("because of {id}"),
        from: from.clone(),
        to: to.clone(),
        ports: Some(ports.to_vec()),
        ingress: true,
        egress: true,
        encryption: Requirement::None,
        exception: None,
        hop: Hop::Direct,
        http: None,
        implied: false,
    }
}

pub(crate) fn claim_zone(zone: &Zone, direction: Direction) -> Vec<Claim> {
    zone.namespaces
        .iter()
        .map(|namespaces| Claim {
            origin: Origin::default(),
            direction,
            scope: ClaimScope::Zone(zone.name.clone()),
            namespaces: namespaces.clone(),
            pods: Selector::everything(),
        })
        .collect()
}

pub(crate) fn claim_component(component: &Component, direction: Direction) -> Claim {
    Claim {
        origin: Origin::default(),
        direction,
        scope: ClaimScope::Component(component.name.clone()),
        namespaces: NamespaceMatch::Named(component.namespace.clone()),
        pods: component.selector.clone(),
    }
}

/// A shop: a web server and a database in one isolated namespace, DNS, a client outside.
pub(crate) fn shop(mesh: MeshMode) -> Intent {
    let system = zone("system", &["shop"], mesh);
    let mut web = component("web", "system", "shop", mesh);
    web.ports = vec![port("http", 8080), port("admin", 9000)];
    let mut db = component("db", "system", "shop", mesh);
    db.ports = vec![port("sql", 5432)];
    let mut gateway = component("gateway", "system", "shop", mesh);
    gateway.gateway = mesh == MeshMode::Sidecar;
    gateway.ports = vec![port("https", 8443)];
    if let Some(https) = gateway.ports.first_mut() {
        https.serves = Serves::Tls;
        https.credentials = vec!["shop-cert".to_owned(), "admin-cert".to_owned()];
        https.hosts = vec![
            "shop.example.com".to_owned(),
            "*.admin.example.com".to_owned(),
        ];
    }
    let dns = party(
        "dns",
        Peers::List(vec![Peer::Pods {
            namespaces: NamespaceMatch::Named("kube-system".to_owned()),
            pods: Selector::of([("k8s-app", "kube-dns")]),
        }]),
        Fidelity::Exact,
    );
    let clients = party(
        "clients",
        Peers::Any,
        Fidelity::Wider("any address, not only customers".to_owned()),
    );
    let outside = ["0.0.0.0/0", "::/0"].map(|cidr| Peer::Block {
        cidr: cidr.parse().expect("a block"),
        except: Vec::new(),
    });
    let mut mail = party(
        "mail",
        Peers::List(outside.to_vec()),
        Fidelity::Wider("any address on port 443".to_owned()),
    );
    mail.hosts = vec!["mail.example.com".to_owned()];
    let udp_dns = PolicyPort::Range {
        protocol: Protocol::Udp,
        first: 53,
        last: 53,
    };
    let mut lookups = grant(
        "implied/dns/system",
        &all_of(&system),
        &dns,
        &[udp_dns, tcp(53)],
    );
    lookups.ingress = false;
    let mut probe = grant("probe", &clients, &pods(&web), &[tcp(9000)]);
    probe.egress = false;
    let mut sql = grant("sql", &pods(&web), &pods(&db), &[tcp(5432)]);
    sql.encryption = if mesh == MeshMode::Sidecar {
        Requirement::MeshMtls
    } else {
        Requirement::None
    };
    let mut mails = grant("mails", &pods(&web), &mail, &[tcp(443)]);
    mails.ingress = false;
    mails.encryption = Requirement::Tls;
    let mut enter = grant("enter", &clients, &pods(&gateway), &[tcp(8443)]);
    enter.egress = false;
    let grants = vec![
        lookups,
        probe,
        sql,
        mails,
        enter,
        grant("forward", &pods(&gateway), &pods(&web), &[tcp(8080)]),
        grant("backup", &pods(&db), &pods(&db), &[tcp(5432), tcp(9999)]),
    ];
    let mut claims = claim_zone(&system, Direction::Ingress);
    claims.extend(claim_zone(&system, Direction::Egress));
    Intent {
        name: "shop".to_owned(),
        title: "Shop".to_owned(),
        resolution: vec![("platform".to_owned(), "kubernetes".to_owned())],
        zones: vec![system],
        components: vec![web, db, gateway],
        grants,
        claims,
        cells: Vec::new(),
        prerequisites: Vec::new(),
        trust_domain: "cluster.local".to_owned(),
        mesh_root: "istio-system".to_owned(),
    }
}
