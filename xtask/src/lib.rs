//! The rules of the house (STYLE.md, ARCHITECTURE.md) as tests: each module states one rule,
//! applies it to the repository and shows on a small made-up case that it can fail.

#[cfg(test)]
mod codes;
#[cfg(test)]
mod dependencies;
#[cfg(test)]
mod forgotten;
#[cfg(test)]
mod layering;
#[cfg(test)]
mod schema_tools;
#[cfg(test)]
mod tidy;
#[cfg(test)]
mod tree;
