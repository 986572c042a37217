//! The symbolic engine: what can talk, what was declared, and a witness for each difference.
