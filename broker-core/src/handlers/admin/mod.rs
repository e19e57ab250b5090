//! What tools ask: topics, groups, progress of consumers, the broker itself.

pub(crate) mod acl;
pub(crate) mod broker;
pub(crate) mod group;
pub(crate) mod progress;
pub(crate) mod queue;
pub(crate) mod runtime;
pub(crate) mod topic;
