//! Command
