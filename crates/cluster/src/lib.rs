//! Objects of a live cluster as texts: found by discovery, listed page by page, never changed.
//!
//! [`read`] and [`watch`] send GET requests alone. What they give are the texts that a reader of manifests takes, so
//! that a cluster and its manifests are the same world by construction.

mod access;
mod discovery;
mod http;
mod lists;
mod problems;
mod proxy;
pub mod role;
mod trim;
mod wants;
pub mod watch;

pub use access::Access;

use discovery::Served;
use lists::Listed;
use palisade_diagnostics::Diagnostic;
use wants::Want;

/// One object of the cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// How its text is called: `cluster:NetworkPolicy/shop/web`.
    pub name: String,
    /// JSON, indented, without what no reader looks at.
    pub text: String,
}

/// Who takes what is read.
pub trait Take {
    /// Called while a list is read: the kind, and its objects so far.
    fn progress(&mut self, kind: &str, objects: usize);
    /// Takes an object; false ends the reading, because it is too much.
    fn object(&mut self, object: Object) -> bool;
}

/// Reads the cluster, with what only lints read if `lints` is set. What could not be read, but is no
/// obstacle, comes back as warnings; everything that is one, as errors.
///
/// # Errors
///
/// The cluster cannot be reached, or does not let us list what no answer can do without.
pub fn read(
    access: &Access,
    lints: bool,
    take: &mut dyn Take,
) -> Result<Vec<Diagnostic>, Vec<Diagnostic>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| vec![problems::no_runtime(&error)])?;
    runtime.block_on(read_all(access, lints, take))
}

async fn read_all(
    access: &Access,
    lints: bool,
    take: &mut dyn Take,
) -> Result<Vec<Diagnostic>, Vec<Diagnostic>> {
    let server = access.connect().await.map_err(|problem| vec![problem])?;
    let served = Served::discover(&server)
        .await
        .map_err(|problem| vec![problem])?;
    let mut told = served.told();
    let mut errors = Vec::new();
    for want in wants::all(&served, lints) {
        let resource = match served.resource(&want) {
            Ok(resource) => resource,
            Err(problem) => {
                told.extend(problem);
                continue;
            }
        };
        match lists::list(&server, &want, &resource, take).await {
            Listed::Whole(objects) if errors.is_empty() => {
                for object in objects {
                    if !take.object(object) {
                        return Ok(told);
                    }
                }
            }
            Listed::Whole(_) => {}
            Listed::Refused(problem) => sort(&want, problem, &mut told, &mut errors),
            Listed::Lost(problem) => return Err(vec![problem]),
        }
    }
    match errors.is_empty() {
        true => Ok(told),
        false => Err(errors),
    }
}

/// A kind that cannot be read ends the run, or makes the answers that it could change unknown.
fn sort(
    want: &Want,
    problem: Diagnostic,
    told: &mut Vec<Diagnostic>,
    errors: &mut Vec<Diagnostic>,
) {
    if want.essential {
        errors.push(problem);
    } else if want.told {
        told.push(problems::unread(problem));
    }
}
