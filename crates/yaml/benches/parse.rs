//! How fast text becomes a tree, at three sizes, so that growth shows.
//!
//! Cost model: every byte of YAML is scanned a constant number of times, every scalar is copied once
//! into its document, and every value costs one node of 20 bytes; so MB/s must not fall as the text
//! grows. Sorting and hashing happen only in maps of more than 16 keys. JSON has a reader of its own
//! which looks at each byte about once. The usual block style of manifests is read by a reader of its own
//! as well; documents that need the full parser (here: those with Windows line ends) cost five times as
//! much. Aims on one core, release build: YAML 25 MB/s, JSON 250 MB/s.
//!
//! `cargo bench -p palisade-yaml` prints the table; each figure is the best of three runs.

use palisade_diagnostics::FileId;
use palisade_yaml::{Limits, parse};
use std::fmt::Write as _;
use std::time::Instant;

/// One Deployment, one Service, one NetworkPolicy and one ConfigMap, as people write them.
fn yaml_objects(out: &mut String, i: usize) {
    let team = i % 17;
    let _ = write!(
        out,
        r#"---
# The backend of team {team}; generated for measuring.
apiVersion: apps/v1
kind: Deployment
metadata:
  name: backend-{i}
  namespace: team-{team}
  labels:
    app.kubernetes.io/name: backend-{i}
    app.kubernetes.io/part-of: "shop"
  annotations:
    deployment.kubernetes.io/revision: '1'
spec:
  replicas: 3
  selector:
    matchLabels:
      app.kubernetes.io/name: backend-{i}
  template:
    metadata:
      labels:
        app.kubernetes.io/name: backend-{i}
        app.kubernetes.io/part-of: "shop"
    spec:
      serviceAccountName: backend
      containers:
      - name: main
        image: "registry.example.com/shop/backend:{i}"
        args: ["--listen", ":8080", --verbose]
        ports:
        - containerPort: 8080  # traffic
          name: http
          protocol: TCP
        env:
        - name: PGHOST
          value: db-{team}.team-{team}.svc.cluster.local
        - name: RETRIES
          value: "3"
        resources:
          requests: {{cpu: 100m, memory: 128Mi}}
          limits:
            memory: 256Mi
        readinessProbe:
          httpGet:
            path: /ready
            port: http
          periodSeconds: 5
---
apiVersion: v1
kind: Service
metadata:
  name: backend-{i}
  namespace: team-{team}
spec:
  type: ClusterIP
  selector:
    app.kubernetes.io/name: backend-{i}
  ports:
    - name: http
      port: 80
      targetPort: http
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: backend-{i}
  namespace: team-{team}
spec:
  podSelector:
    matchLabels:
      app.kubernetes.io/name: backend-{i}
  policyTypes: [Ingress, Egress]
  ingress:
  # The web tier only.
  - from:
    - namespaceSelector:
        matchLabels:
          kubernetes.io/metadata.name: team-{team}
      podSelector:
        matchExpressions:
        - {{key: tier, operator: In, values: [web, edge]}}
    - ipBlock:
        cidr: 10.{team}.0.0/16
        except:
        - 10.{team}.1.0/24
    ports:
    - port: 8080
      protocol: TCP
  egress:
  - {{}}
---
apiVersion: v1
kind: ConfigMap
metadata:
  name: backend-{i}
  namespace: team-{team}
data:
  log.level: info
  server.conf: |
    listen 8080;
    # keep it short
    location / {{
      proxy_pass http://backend-{i};
    }}
  motd: >-
    Welcome to backend {i},
    and good luck.
"#
    );
}

/// The same kinds as the API server's JSON.
fn json_object(out: &mut String, i: usize) {
    let team = i % 17;
    let _ = write!(
        out,
        r#"{{"apiVersion":"apps/v1","kind":"Deployment","metadata":{{"name":"backend-{i}","namespace":"team-{team}","labels":{{"app.kubernetes.io/name":"backend-{i}","app.kubernetes.io/part-of":"shop"}},"annotations":{{"note":"said \"hello\"\nand left"}}}},"spec":{{"replicas":3,"selector":{{"matchLabels":{{"app.kubernetes.io/name":"backend-{i}"}}}},"template":{{"metadata":{{"labels":{{"app.kubernetes.io/name":"backend-{i}"}}}},"spec":{{"containers":[{{"name":"main","image":"registry.example.com/shop/backend:{i}","args":["--listen",":8080"],"ports":[{{"containerPort":8080,"name":"http","protocol":"TCP"}}],"env":[{{"name":"PGHOST","value":"db-{team}.team-{team}.svc.cluster.local"}}]}}]}}}}}}}},
    {{
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {{
            "name": "backend-{i}",
            "namespace": "team-{team}"
        }},
        "spec": {{
            "podSelector": {{
                "matchLabels": {{
                    "app.kubernetes.io/name": "backend-{i}"
                }}
            }},
            "policyTypes": ["Ingress", "Egress"],
            "ingress": [
                {{
                    "ports": [
                        {{
                            "port": 8080,
                            "protocol": "TCP"
                        }}
                    ]
                }}
            ]
        }}
    }}"#
    );
}

fn yaml(size: usize) -> String {
    let mut out = String::with_capacity(size + 8192);
    let mut i = 0;
    while out.len() < size {
        yaml_objects(&mut out, i);
        i += 1;
    }
    out
}

fn json(size: usize) -> String {
    let mut out = String::with_capacity(size + 8192);
    out.push_str("{\"apiVersion\":\"v1\",\"kind\":\"List\",\"items\":[");
    let mut i = 0;
    while out.len() < size {
        if i > 0 {
            out.push(',');
        }
        json_object(&mut out, i);
        i += 1;
    }
    out.push_str("]}");
    out
}

/// Megabytes per second, the best of three.
fn speed(text: &str) -> f64 {
    let mut best = f64::INFINITY;
    for _ in 0..3 {
        let start = Instant::now();
        let parsed = parse(FileId(0), text, &Limits::default());
        best = best.min(start.elapsed().as_secs_f64());
        assert!(parsed.diagnostics.is_empty() && !parsed.documents.is_empty());
    }
    #[expect(clippy::cast_precision_loss, reason = "sizes lie far below 2^52")]
    let megabytes = text.len() as f64 / 1e6;
    megabytes / best
}

#[expect(clippy::print_stdout, reason = "a benchmark prints its table")]
fn main() {
    println!(
        "MB per second\n{:>6}  {:>10}  {:>10}  {:>10}",
        "MB", "YAML", "YAML CRLF", "JSON"
    );
    for size in [4, 10, 40] {
        let yaml = yaml(size * 1_000_000);
        let windows = speed(&yaml.replace('\n', "\r\n"));
        let yaml = speed(&yaml);
        let json = speed(&json(size * 1_000_000));
        println!("{size:>6}  {yaml:>10.1}  {windows:>10.1}  {json:>10.1}");
    }
}
