//! Java properties
