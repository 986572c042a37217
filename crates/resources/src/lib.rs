//! Kubernetes and Istio objects, one module per kind, read with spans and written in order.
