//! Our executable, run as its users run it.

mod crash;
mod new_group;
mod smoke;
