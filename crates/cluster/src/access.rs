//! From a kubeconfig to a server that answers: `--kubeconfig`, `KUBECONFIG`, `~/.kube/config`, or the account
//! of the pod that this runs in.

use crate::http::{Server, chain};
use crate::{problems, proxy};
use kube::config::{KubeConfigOptions, Kubeconfig, KubeconfigError};
use kube::{Client, Config};
use palisade_diagnostics::Diagnostic;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// Longest wait for a connection; `--request-timeout` may make it shorter.
const CONNECT: Duration = Duration::from_secs(30);

/// Which cluster, and how long to wait for it.
#[derive(Debug, Clone)]
pub struct Access {
    /// The kubeconfig; without one, the usual places.
    pub kubeconfig: Option<PathBuf>,
    /// The context; without one, the current context.
    pub context: Option<String>,
    /// Longest time of one request.
    pub timeout: Duration,
}

impl Access {
    /// Reads the kubeconfig and makes the credentials. Nothing is sent to the server yet.
    pub(crate) async fn connect(&self) -> Result<Server, Diagnostic> {
        let mut config = self.config().await?;
        config.connect_timeout = Some(self.timeout.min(CONNECT));
        // Busy servers are asked again in `http`, which knows which refusals are worth it.
        config.default_retry = false;
        let name = config.cluster_url.to_string();
        let name = name.trim_end_matches('/').to_owned();
        let client = Client::try_from(config).map_err(|error| match &error {
            kube::Error::Auth(_) => problems::no_credentials(&name, &chain(&error)),
            _ => problems::unusable(&chain(&error)),
        })?;
        Ok(Server::new(client, name, self.timeout))
    }

    async fn config(&self) -> Result<Config, Diagnostic> {
        let file = match &self.kubeconfig {
            Some(path) => Kubeconfig::read_from(path),
            None => Kubeconfig::read(),
        };
        let kubeconfig = match file {
            Ok(kubeconfig) => kubeconfig,
            Err(error) if self.context.is_none() && is_missing(&error) => {
                return in_cluster(&error);
            }
            Err(error) => return Err(problems::no_kubeconfig(&chain(&error))),
        };
        let mut contexts: Vec<String> =
            kubeconfig.contexts.iter().map(|c| c.name.clone()).collect();
        contexts.sort();
        let options = KubeConfigOptions {
            context: self.context.clone(),
            ..KubeConfigOptions::default()
        };
        let own_proxy = proxy::is_own(&kubeconfig, self.context.as_deref());
        let config = Config::from_custom_kubeconfig(kubeconfig, &options).await;
        let mut config = config.map_err(|error| match error {
            KubeconfigError::LoadContext(name) => problems::no_context(Some(&name), &contexts),
            KubeconfigError::CurrentContextNotSet => problems::no_context(None, &contexts),
            error => problems::unusable(&chain(&error)),
        })?;
        if !own_proxy {
            config.proxy_url = proxy::of_environment(&config.cluster_url, config.proxy_url.take());
        }
        Ok(config)
    }
}

/// Whether there is no kubeconfig at all, neither named nor at its usual place.
fn is_missing(error: &KubeconfigError) -> bool {
    let named = std::env::var_os("KUBECONFIG").is_some_and(|paths| !paths.is_empty());
    match error {
        KubeconfigError::FindPath => true,
        KubeconfigError::ReadConfig(error, _) => !named && error.kind() == io::ErrorKind::NotFound,
        _ => false,
    }
}

/// The service account of the pod that this runs in.
fn in_cluster(error: &KubeconfigError) -> Result<Config, Diagnostic> {
    if std::env::var_os("KUBERNETES_SERVICE_HOST").is_none() {
        return Err(problems::no_kubeconfig(&chain(error)));
    }
    Config::incluster().map_err(|error| problems::unusable(&chain(&error)))
}
