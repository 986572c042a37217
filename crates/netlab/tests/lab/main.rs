//! Real packets between real namespaces. Where this process may not make any, a test runs in a user
//! namespace; where that is forbidden too it is skipped, and fails under `CI=true`.

#[cfg(test)]
mod floods;
#[cfg(test)]
mod leftovers;
#[cfg(test)]
mod pairs;
#[cfg(test)]
mod places;
#[cfg(test)]
mod rights;
#[cfg(test)]
mod services;
#[cfg(test)]
mod streams;
#[cfg(test)]
mod support;
