//! The vocabulary shared by all integration tests.
