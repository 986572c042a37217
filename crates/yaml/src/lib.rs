//! Kubernetes' YAML as a tree with spans: hostile input in, values and diagnostics out.
