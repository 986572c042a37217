//! What is told when a cluster cannot be read, or not all of it.

use crate::discovery::Resource;
use crate::http::{Problem, Server};
use crate::role;
use crate::wants::Want;
use palisade_diagnostics::{Diagnostic, Severity, did_you_mean};

/// The kubeconfig does not lead to a cluster.
const KUBECONFIG: &str = "PAL0540";
/// The API server does not answer.
const UNREACHABLE: &str = "PAL0541";
/// Nobody that the API server knows.
const CREDENTIALS: &str = "PAL0542";
/// A right is missing.
const FORBIDDEN: &str = "PAL0543";
/// An answer is not what was asked for.
const UNREADABLE: &str = "PAL0544";
/// Served in other versions alone.
const VERSION: &str = "PAL0545";

pub(crate) fn no_runtime(error: &std::io::Error) -> Diagnostic {
    Diagnostic::error(UNREACHABLE, "the system does not let us open connections")
        .note(error.to_string())
        .help("check the limits of the process")
}

pub(crate) fn no_kubeconfig(said: &str) -> Diagnostic {
    Diagnostic::error(KUBECONFIG, "no kubeconfig can be read")
        .note(said.to_owned())
        .help(
            "give one with --kubeconfig FILE, or set KUBECONFIG; the usual place is ~/.kube/config",
        )
        .help("`kubectl config view --minify` shows what kubectl uses")
}

pub(crate) fn no_context(name: Option<&str>, known: &[String]) -> Diagnostic {
    let Some(name) = name else {
        return contexts(
            Diagnostic::error(KUBECONFIG, "the kubeconfig has no current context"),
            known,
        )
        .help("name one with --context NAME");
    };
    let title = format!("the kubeconfig has no context `{name}`");
    let mut told = Diagnostic::error(KUBECONFIG, title);
    if let Some(near) = did_you_mean(name, known.iter().map(String::as_str)) {
        told = told.help(format!("did you mean `{near}`?"));
    }
    contexts(told, known).help("`kubectl config get-contexts` names them all")
}

fn contexts(told: Diagnostic, known: &[String]) -> Diagnostic {
    match known {
        [] => told.note("It has none at all."),
        known => told.note(format!("It has: {}.", known.join(", "))),
    }
}

pub(crate) fn unusable(said: &str) -> Diagnostic {
    Diagnostic::error(KUBECONFIG, "the kubeconfig leads to no cluster")
        .note(said.to_owned())
        .help("`kubectl --context NAME get namespaces` shows whether kubectl can use it")
}

pub(crate) fn no_credentials(server: &str, said: &str) -> Diagnostic {
    Diagnostic::error(CREDENTIALS, format!("no credentials for `{server}`"))
        .note(said.to_owned())
        .help("log in again, as the user of the kubeconfig's context")
        .help("a credential plugin (`exec`) must be installed and run by itself; `auth-provider` is not supported")
}

fn not_authenticated(server: &str, said: &str) -> Diagnostic {
    let title = format!("`{server}` does not know who we are");
    with(Diagnostic::error(CREDENTIALS, title), said).help(
        "log in again: the token or certificate of the kubeconfig is missing, wrong or too old",
    )
}

/// The first requests, which ask what there is.
pub(crate) fn no_discovery(server: &Server, path: &str, problem: Problem) -> Diagnostic {
    match problem {
        Problem::Refused(403, said) => {
            let title = format!("`{}` does not let us ask what it serves", server.name);
            with(Diagnostic::error(FORBIDDEN, title), &said)
                .help("the role `system:discovery` of Kubernetes allows it; it is bound to everybody who is logged in")
        }
        Problem::Refused(401, said) => not_authenticated(&server.name, &said),
        Problem::Refused(status, said) => {
            let title = format!("`{}` is no Kubernetes API server", server.name);
            with(Diagnostic::error(UNREADABLE, title), &said)
                .note(format!("It answers GET {path} with status {status}."))
                .help("check `server` of the cluster in the kubeconfig")
        }
        Problem::Garbage(said) => {
            let title = format!("`{}` is no Kubernetes API server", server.name);
            with(Diagnostic::error(UNREADABLE, title), &said)
                .note(format!("Its answer to GET {path} cannot be read."))
                .help("check `server` of the cluster in the kubeconfig")
        }
        problem => lost(server, path, problem),
    }
}

/// The server does not answer any more.
pub(crate) fn lost(server: &Server, path: &str, problem: Problem) -> Diagnostic {
    let name = &server.name;
    match problem {
        Problem::Unreachable(said) => unreachable(name, &said),
        Problem::Credentials(said) => no_credentials(name, &said),
        Problem::Refused(401, said) => not_authenticated(name, &said),
        Problem::Slow(limit) => {
            let title = format!("no answer from `{name}` within {} s", limit.as_secs_f32());
            Diagnostic::error(UNREACHABLE, title)
                .note(format!("The request was GET {path}."))
                .help("give it more time with --request-timeout SECONDS, or check the network")
        }
        Problem::Broken(said) => {
            let title = format!("the connection to `{name}` ended in the middle of an answer");
            with(Diagnostic::error(UNREACHABLE, title), &said)
                .note(format!("The request was GET {path}."))
                .help("try again; a proxy in between may have a limit of time or size")
        }
        other => unreadable(&format!("GET {path}"), &other),
    }
}

fn unreachable(name: &str, said: &str) -> Diagnostic {
    let told = with(
        Diagnostic::error(UNREACHABLE, format!("cannot reach the cluster at `{name}`")),
        said,
    );
    let words = said.to_lowercase();
    let has = |part: &str| words.contains(part);
    if has("unknownissuer") || has("unknown issuer") {
        told.help("nobody whom the kubeconfig trusts has signed its certificate: set `certificate-authority-data` of the cluster")
    } else if has("certificate") || has("tls") || has("corrupt message") {
        told.help("check `server`, `certificate-authority-data` and `tls-server-name` of the cluster in the kubeconfig")
    } else if has("refused") {
        told.help("check that the API server runs, and the address and port of `server` in the kubeconfig")
    } else if has("dns") || has("lookup") {
        told.help("check the host name of `server` in the kubeconfig, and whether a VPN is needed")
    } else if has("proxy") || has("tunnel") {
        told.help("check `proxy-url` of the cluster, HTTPS_PROXY and NO_PROXY")
    } else {
        told.help("check the network, and `server` of the cluster in the kubeconfig")
    }
}

/// A list that the server does not give.
pub(crate) fn refused(
    server: &Server,
    want: &Want,
    resource: &Resource,
    problem: Problem,
) -> Diagnostic {
    let what = resource_name(&want.group, &resource.name);
    match problem {
        Problem::Refused(403, said) => {
            let title = format!("not allowed to list `{what}` of `{}`", server.name);
            with(Diagnostic::error(FORBIDDEN, title), &said)
                .help(format!(
                    "a ClusterRole of this user needs the rule {}",
                    role::rule(&want.group, &[resource.name.as_str()], want.only)
                ))
                .help("docs/cluster.md has the whole role")
        }
        Problem::Refused(410, _) => Diagnostic::error(
            UNREADABLE,
            format!("the list of `{what}` changes faster than it can be read"),
        )
        .help("try again when the cluster is less busy"),
        problem => unreadable(&format!("the list of `{what}`"), &problem),
    }
}

fn unreadable(what: &str, problem: &Problem) -> Diagnostic {
    let told = Diagnostic::error(UNREADABLE, format!("the cluster does not give {what}"));
    match problem {
        Problem::Refused(status, said) => with(told, said)
            .note(format!("It answers with status {status}."))
            .help("look at the API server's log, then try again"),
        Problem::Garbage(said) => with(told, said)
            .note("What it sends is no list of the Kubernetes API.")
            .help("check whether a proxy in between changes answers"),
        Problem::TooLarge => told
            .note("The answer is larger than an API server makes it.")
            .help("check whether a proxy in between changes answers"),
        Problem::Broken(said) | Problem::Unreachable(said) | Problem::Credentials(said) => {
            with(told, said).help("try again")
        }
        Problem::Slow(_) => told.help("give it more time with --request-timeout SECONDS"),
    }
}

/// Resources of a version that could not be asked for.
pub(crate) fn silent_group(server: &Server, path: &str, problem: Problem) -> Diagnostic {
    let title = format!("`{}` does not say what {path} serves", server.name);
    let said = match problem {
        Problem::Refused(status, said) => format!("status {status}: {said}"),
        Problem::Garbage(said) => said,
        _ => "the answer cannot be read".to_owned(),
    };
    Diagnostic::warning(UNREADABLE, title)
        .note(said)
        .help("`kubectl get apiservices` names those that are down; its objects are left out")
        .leaving_out()
}

/// The same problem as a warning: answers leave out what it hides.
pub(crate) fn unread(mut problem: Diagnostic) -> Diagnostic {
    problem.severity = Severity::Warning;
    let note = "Whether there are any is not known: no answer counts on their absence.";
    problem.note(note).leaving_out()
}

pub(crate) fn other_version(want: &Want, version: &str) -> Diagnostic {
    let title = format!(
        "{} of `{}` is served as {version} alone",
        want.kind, want.group
    );
    Diagnostic::warning(VERSION, title)
        .note(format!(
            "Versions that are read: {}.",
            want.versions.join(", ")
        ))
        .help("check by hand what its objects change")
        .leaving_out()
}

/// A kind that every cluster serves.
pub(crate) fn not_served(want: &Want) -> Diagnostic {
    let group = match want.group.as_str() {
        "" => "v1",
        group => group,
    };
    let title = format!("the cluster does not serve {} of `{group}`", want.kind);
    Diagnostic::warning(VERSION, title)
        .help("every Kubernetes from 1.21 serves it: check whether this is one")
        .leaving_out()
}

/// `networkpolicies.networking.k8s.io`, as kubectl takes it.
fn resource_name(group: &str, name: &str) -> String {
    match group {
        "" => name.to_owned(),
        group => format!("{name}.{group}"),
    }
}

/// What the other side said, if it said something.
fn with(told: Diagnostic, said: &str) -> Diagnostic {
    match said.trim() {
        "" => told,
        said => told.note(said.to_owned()),
    }
}
