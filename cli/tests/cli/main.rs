//! The real executable: what it prints, and how it ends.

mod mq;
mod offline;
mod servers;
