//! The message: as it is stored, pulled and batched.

pub mod batch;
pub mod compression;
pub mod id;
pub mod properties;
pub mod record;
pub mod sys_flag;
pub mod tags;
