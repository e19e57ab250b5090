//! Our executable, run as its users run it.

mod bench;
mod consoles;
mod crash;
mod dashboard;
mod dropin;
mod examples;
mod failing_disk;
mod faults;
mod filter;
mod groups;
mod messages;
mod new_group;
mod operating;
mod scheduled;
mod schemas;
mod smoke;
mod store_folder;
mod tour;
