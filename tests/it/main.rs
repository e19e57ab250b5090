//! Our executable, run as its users run it.

mod crash;
mod dashboard;
mod dropin;
mod filter;
mod new_group;
mod scheduled;
mod smoke;
mod store_folder;
mod tour;
