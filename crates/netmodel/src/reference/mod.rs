//! The plain definition.
