//! Real clients on our servers, ours on Apache's, stores that move between the two.

mod apache_cases;
mod apache_store;
mod go;
mod java;
mod mqadmin;
mod node;
mod ours_on_apache;
mod python;
mod store_exchange;
mod two_masters;
