//! The traffic-matrix language: text to intent, and back.
