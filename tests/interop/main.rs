//! Real clients on our servers, ours on Apache's, stores that move between the two.

mod java;
