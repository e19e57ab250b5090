//! Every request the name server serves: its code, where it runs, who handles it.

use remoting::protocol::codes::RequestCode as Code;
use remoting::transport::router::{Lane, Routes};

use crate::handlers::{self, State};

/// The table. `Direct` runs on the connection's task and must not block.
#[rustfmt::skip] // one request, one line
pub(crate) fn routes() -> Routes<State> {
    use Lane::{Admin, Direct, Read};
    Routes::default()
        // What clients ask all the time.
        .on(Code::GET_ROUTEINFO_BY_TOPIC,             Direct, handlers::route_of_topic)
        // Brokers. A large registration moves to the lane of administration.
        .on(Code::REGISTER_BROKER,                    Direct, handlers::register_broker)
        .on(Code::UNREGISTER_BROKER,                  Admin,  handlers::unregister_broker)
        .on(Code::QUERY_DATA_VERSION,                 Direct, handlers::query_data_version)
        .on(Code::BROKER_HEARTBEAT,                   Direct, handlers::broker_heartbeat)
        .on(Code::GET_BROKER_MEMBER_GROUP,            Direct, handlers::member_group)
        // KV configuration.
        .on(Code::PUT_KV_CONFIG,                      Admin,  handlers::put_kv)
        .on(Code::GET_KV_CONFIG,                      Direct, handlers::kv_value)
        .on(Code::DELETE_KV_CONFIG,                   Admin,  handlers::delete_kv)
        .on(Code::GET_KVLIST_BY_NAMESPACE,            Read,   handlers::kv_namespace)
        // Lists.
        .on(Code::GET_BROKER_CLUSTER_INFO,            Read,   handlers::cluster_info)
        .on(Code::GET_ALL_TOPIC_LIST_FROM_NAMESERVER, Read,   handlers::topics)
        .on(Code::GET_TOPICS_BY_CLUSTER,              Read,   handlers::topics_of_cluster)
        .on(Code::GET_SYSTEM_TOPIC_LIST_FROM_NS,      Read,   handlers::system_topics)
        .on(Code::GET_UNIT_TOPIC_LIST,                Read,   handlers::unit_topics)
        .on(Code::GET_HAS_UNIT_SUB_TOPIC_LIST,        Read,   handlers::unit_sub_topics)
        .on(Code::GET_HAS_UNIT_SUB_UNUNIT_TOPIC_LIST, Read,   handlers::unit_sub_not_unit_topics)
        // Administration.
        .on(Code::WIPE_WRITE_PERM_OF_BROKER,          Admin,  handlers::wipe_write_perm)
        .on(Code::ADD_WRITE_PERM_OF_BROKER,           Admin,  handlers::add_write_perm)
        .on(Code::DELETE_TOPIC_IN_NAMESRV,            Admin,  handlers::delete_topic)
        .on(Code::REGISTER_TOPIC_IN_NAMESRV,          Admin,  handlers::register_topic)
        .on(Code::UPDATE_NAMESRV_CONFIG,              Admin,  handlers::update_config)
        .on(Code::GET_NAMESRV_CONFIG,                 Direct, handlers::config)
}
