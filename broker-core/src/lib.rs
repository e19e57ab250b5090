//! The broker: its state and its request handlers.
