//! Intent to artefacts, proven before they leave.
