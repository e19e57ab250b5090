//! Commit log, consume queues and index in Apache RocketMQ's file format.
