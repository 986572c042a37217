//! Scenarios, generators and the contract that every engine meets (tests only).
