//! Answers without a matrix, compared with the reference on random worlds.

#[cfg(test)]
mod compare;
#[cfg(test)]
mod exposure;
#[cfg(test)]
mod list;
#[cfg(test)]
mod words;
