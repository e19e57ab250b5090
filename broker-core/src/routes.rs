//! Every request the broker serves: its code, where it runs, who handles it.

use remoting::protocol::codes::RequestCode as Code;
use remoting::transport::router::{Lane, Routes};

use crate::broker::Broker;
use crate::handlers::admin::{acl, broker as settings, group, progress, queue, runtime, topic};
use crate::handlers::{client, offset, pull, query, relay, reply, send, send_back, transaction};

/// The VIP port is for sending: consumers stay on the main one.
pub(crate) const VIP_EXCLUDED: &[Code] = &[Code::PULL_MESSAGE, Code::LITE_PULL_MESSAGE];

/// The table. `Direct` runs on the connection's task and must not block; a handler that finds it
/// would asks to be moved.
#[rustfmt::skip] // one request, one line
pub(crate) fn routes() -> Routes<Broker> {
    use Lane::{Admin, Direct, Read};
    Routes::default()
        .on(Code::SEND_MESSAGE,                             Direct, send::send_message)
        .on(Code::SEND_MESSAGE_V2,                          Direct, send::send_message)
        .on(Code::SEND_BATCH_MESSAGE,                       Direct, send::send_message)
        .on(Code::PULL_MESSAGE,                             Direct, pull::pull_message)
        .on(Code::LITE_PULL_MESSAGE,                        Direct, pull::pull_message)
        .on(Code::QUERY_MESSAGE,                            Read,   query::query_message)
        .on(Code::VIEW_MESSAGE_BY_ID,                       Read,   query::view_message)
        .on(Code::CONSUMER_SEND_MSG_BACK,                   Read,   send_back::send_back)
        .on(Code::END_TRANSACTION,                          Read,   transaction::end_transaction)
        .on(Code::RESUME_CHECK_HALF_MESSAGE,                Read,   transaction::resume_check)
        // Offsets.
        .on(Code::QUERY_CONSUMER_OFFSET,                    Direct, offset::query_consumer_offset)
        .on(Code::UPDATE_CONSUMER_OFFSET,                   Direct, offset::update_consumer_offset)
        .on(Code::SEARCH_OFFSET_BY_TIMESTAMP,               Read,   offset::search_offset)
        .on(Code::GET_MAX_OFFSET,                           Direct, offset::max_offset)
        .on(Code::GET_MIN_OFFSET,                           Direct, offset::min_offset)
        .on(Code::GET_EARLIEST_MSG_STORETIME,               Read,   offset::earliest_store_time)
        .on(Code::INVOKE_BROKER_TO_RESET_OFFSET,            Read,   relay::reset_offset)
        // Clients.
        .on(Code::HEART_BEAT,                               Direct, client::heartbeat)
        .on(Code::UNREGISTER_CLIENT,                        Direct, client::unregister)
        .on(Code::GET_CONSUMER_LIST_BY_GROUP,               Direct, client::consumer_list)
        .on(Code::LOCK_BATCH_MQ,                            Direct, client::lock_queues)
        .on(Code::UNLOCK_BATCH_MQ,                          Direct, client::unlock_queues)
        .on(Code::CHECK_CLIENT_CONFIG,                      Direct, client::check_client_config)
        .on(Code::SEND_REPLY_MESSAGE,                       Direct, reply::send_reply)
        .on(Code::SEND_REPLY_MESSAGE_V2,                    Direct, reply::send_reply)
        .on(Code::GET_CONSUMER_RUNNING_INFO,                Direct, relay::running_info)
        .on(Code::CONSUME_MESSAGE_DIRECTLY,                 Read,   relay::consume_directly)
        .on(Code::INVOKE_BROKER_TO_GET_CONSUMER_STATUS,     Direct, relay::consumer_status)
        // Topics.
        .on(Code::UPDATE_AND_CREATE_TOPIC,                  Admin,  topic::create)
        .on(Code::UPDATE_AND_CREATE_TOPIC_LIST,             Admin,  topic::create_all)
        .on(Code::DELETE_TOPIC_IN_BROKER,                   Admin,  topic::delete)
        .on(Code::CLEAN_UNUSED_TOPIC,                       Admin,  topic::clean_unused)
        .on(Code::GET_ALL_TOPIC_CONFIG,                     Read,   topic::all)
        .on(Code::GET_TOPIC_CONFIG,                         Direct, topic::config)
        .on(Code::GET_TOPIC_STATS_INFO,                     Read,   topic::stats)
        .on(Code::GET_SYSTEM_TOPIC_LIST_FROM_BROKER,        Direct, topic::system_topics)
        .on(Code::QUERY_TOPIC_CONSUME_BY_WHO,               Read,   topic::consumed_by)
        .on(Code::QUERY_CONSUME_QUEUE,                      Read,   queue::query)
        .on(Code::CLEAN_EXPIRED_CONSUMEQUEUE,               Admin,  queue::clean_expired)
        // Groups.
        .on(Code::UPDATE_AND_CREATE_SUBSCRIPTIONGROUP,      Admin,  group::create)
        .on(Code::UPDATE_AND_CREATE_SUBSCRIPTIONGROUP_LIST, Admin,  group::create_all)
        .on(Code::DELETE_SUBSCRIPTIONGROUP,                 Admin,  group::delete)
        .on(Code::GET_ALL_SUBSCRIPTIONGROUP_CONFIG,         Read,   group::all)
        .on(Code::GET_SUBSCRIPTIONGROUP_CONFIG,             Direct, group::config)
        .on(Code::GET_CONSUMER_CONNECTION_LIST,             Direct, group::consumer_connections)
        .on(Code::GET_PRODUCER_CONNECTION_LIST,             Direct, group::producer_connections)
        .on(Code::GET_ALL_PRODUCER_INFO,                    Read,   group::all_producers)
        .on(Code::QUERY_TOPICS_BY_CONSUMER,                 Direct, group::topics)
        .on(Code::QUERY_SUBSCRIPTION_BY_CONSUMER,           Direct, group::subscription)
        // How far consumers are.
        .on(Code::GET_CONSUME_STATS,                        Read,   progress::consume_stats)
        .on(Code::GET_BROKER_CONSUME_STATS,                 Read,   progress::broker_consume_stats)
        .on(Code::QUERY_CONSUME_TIME_SPAN,                  Read,   progress::time_span)
        .on(Code::QUERY_CORRECTION_OFFSET,                  Read,   progress::correction_offsets)
        .on(Code::CLONE_GROUP_OFFSET,                       Admin,  progress::clone_group_offset)
        .on(Code::GET_ALL_CONSUMER_OFFSET,                  Read,   progress::all_offsets)
        .on(Code::GET_ALL_DELAY_OFFSET,                     Direct, progress::delay_offsets)
        // The broker itself.
        .on(Code::GET_BROKER_RUNTIME_INFO,                  Read,   runtime::runtime_info)
        .on(Code::VIEW_BROKER_STATS_DATA,                   Read,   runtime::stats_data)
        .on(Code::GET_BROKER_HA_STATUS,                     Direct, runtime::ha_status)
        .on(Code::GET_BROKER_CONFIG,                        Direct, settings::config)
        .on(Code::UPDATE_BROKER_CONFIG,                     Admin,  settings::update_config)
        .on(Code::DELETE_EXPIRED_COMMITLOG,                 Admin,  settings::delete_expired_commit_log)
        .on(Code::UPDATE_AND_CREATE_ACL_CONFIG,             Direct, acl::not_enabled)
        .on(Code::DELETE_ACL_CONFIG,                        Direct, acl::not_enabled)
        .on(Code::GET_BROKER_CLUSTER_ACL_INFO,              Direct, acl::not_enabled)
        .on(Code::UPDATE_GLOBAL_WHITE_ADDRS_CONFIG,         Direct, acl::not_enabled)
        .on(Code::GET_BROKER_CLUSTER_ACL_CONFIG,            Direct, acl::not_enabled)
}
