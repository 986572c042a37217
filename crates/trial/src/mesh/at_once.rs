//! Calls of several callers at the same time.

use crate::Error;
use std::sync::{Mutex, PoisonError};
use std::thread;

/// Callers at a time.
const AT_ONCE: usize = 4;

/// Lets each caller make its calls. What came of all of them, in no order, or an error of one.
pub(super) fn at_once<C: Send, T: Send>(
    callers: impl IntoIterator<Item = C, IntoIter: Send>,
    calls: impl Fn(C) -> Result<Vec<T>, Error> + Sync,
) -> Result<Vec<T>, Error> {
    let waiting = Mutex::new(callers.into_iter());
    let next = || {
        waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .next()
    };
    let found = Mutex::new(Ok(Vec::new()));
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(caller) = next() {
                    let new = calls(caller);
                    let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
                    match (&mut *found, new) {
                        (Ok(all), Ok(new)) => all.extend(new),
                        (_, Err(error)) => *found = Err(error),
                        (Err(_), Ok(_)) => {}
                    }
                }
            });
        }
    });
    found.into_inner().unwrap_or_else(PoisonError::into_inner)
}
