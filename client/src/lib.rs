//! Producer, consumer and admin client for RocketMQ clusters.
