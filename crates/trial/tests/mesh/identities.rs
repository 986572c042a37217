//! Who is let in at all where mTLS is taken: who shows a certificate of the mesh's authority, for a name in its trust
//! domain or one of the aliases. Nobody is asked for more here: no policy names a principal.

use crate::rights::with_rights;
use crate::scenarios::{NAME, envoy};
use palisade_netmodel::{Endpoint, PodId, PortSet};
use palisade_sidecar::{Credentials, configure};
use palisade_testkit::specs;
use palisade_trial::mesh::{
    Answer, Application, Authority, Call, Envoy, Wire, call, identity, redirect,
};
use palisade_trial::{Options, Trial};
use std::net::SocketAddr;

const WORLD: &str = "
apiVersion: v1
kind: Namespace
metadata: {name: shop, labels: {istio-injection: enabled}}
---
apiVersion: v1
kind: Pod
metadata: {name: db, namespace: shop, labels: {app: db}}
spec: {serviceAccountName: db, containers: [{name: c}]}
---
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}}
spec: {serviceAccountName: web, containers: [{name: c}]}
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: default, namespace: shop}
spec: {mtls: {mode: STRICT}}
";
const PORT: u16 = 5432;

#[test]
fn certificates_for_other_trust_domains_are_refused() {
    let name = "identities::certificates_for_other_trust_domains_are_refused";
    with_rights(name, || {
        let Some(program) = envoy() else { return };
        let mut world = specs::world(WORLD).unwrap();
        world.mesh.trust_domain_aliases = vec!["old.example".to_owned()];
        let trial = Trial::build(&world, &Options::default()).unwrap();
        let [db, web] = ["db", "web"].map(|name| {
            let mut pods = world.pods();
            pods.find(|(_, pod)| pod.name == name).unwrap()
        });
        let host = |(id, _): (PodId, _)| trial.host(Endpoint::Pod(id)).unwrap();
        let (mesh, another) = (Authority::new().unwrap(), Authority::new().unwrap());
        let own = mesh.issue(&identity("cluster.local", db.1)).unwrap();
        let credentials = Credentials {
            certificate: &own.certificate,
            key: &own.key,
            authority: &mesh.certificate(),
            named: (&own.certificate, &own.key),
        };
        let sidecar = configure(&world, db.1, credentials, &[]);
        let receiver = trial.lab.host(host(db)).unwrap();
        let namespace = receiver.namespace();
        redirect(namespace, &PortSet::empty(), &PortSet::empty()).unwrap();
        let _application = Application::open(namespace, &[PORT], NAME).unwrap();
        let _envoy = Envoy::start(namespace, &program, &sidecar.bootstrap.to_string()).unwrap();
        for (authority, domain, passes) in [
            (&mesh, "cluster.local", true),
            (&mesh, "old.example", true),
            (&mesh, "elsewhere.example", false),
            (&mesh, "cluster.local.elsewhere.example", false),
            (&another, "cluster.local", false),
        ] {
            let shown = authority.issue(&identity(domain, web.1)).unwrap();
            let one = Call {
                to: SocketAddr::new(receiver.v4, PORT),
                mtls: Some((&shown, &own)),
                wire: Wire::Bytes,
                through: false,
            };
            let answer = trial.lab.inside(host(web), || call(&one)).unwrap().unwrap();
            let expected = if passes {
                Answer::Passed(NAME.to_owned())
            } else {
                Answer::Refused
            };
            assert_eq!(answer, expected, "{domain}");
        }
    });
}
