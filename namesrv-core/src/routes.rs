//! Request code → lane and handler.

use remoting::protocol::codes::RequestCode;
use remoting::transport::router::{Lane, Routes};

use crate::handlers::{self, State};

/// Every request that a name server serves.
pub(crate) fn routes() -> Routes<State> {
    Routes::default()
        // What clients ask all the time.
        .on(
            RequestCode::GET_ROUTEINFO_BY_TOPIC,
            Lane::Direct,
            handlers::route_of_topic,
        )
        // Brokers. A large registration moves to the lane of administration.
        .on(
            RequestCode::REGISTER_BROKER,
            Lane::Direct,
            handlers::register_broker,
        )
        .on(
            RequestCode::UNREGISTER_BROKER,
            Lane::Admin,
            handlers::unregister_broker,
        )
        .on(
            RequestCode::QUERY_DATA_VERSION,
            Lane::Direct,
            handlers::query_data_version,
        )
        .on(
            RequestCode::BROKER_HEARTBEAT,
            Lane::Direct,
            handlers::broker_heartbeat,
        )
        .on(
            RequestCode::GET_BROKER_MEMBER_GROUP,
            Lane::Direct,
            handlers::member_group,
        )
        // KV configuration.
        .on(RequestCode::PUT_KV_CONFIG, Lane::Admin, handlers::put_kv)
        .on(RequestCode::GET_KV_CONFIG, Lane::Direct, handlers::kv_value)
        .on(
            RequestCode::DELETE_KV_CONFIG,
            Lane::Admin,
            handlers::delete_kv,
        )
        .on(
            RequestCode::GET_KVLIST_BY_NAMESPACE,
            Lane::Read,
            handlers::kv_namespace,
        )
        // Lists.
        .on(
            RequestCode::GET_BROKER_CLUSTER_INFO,
            Lane::Read,
            handlers::cluster_info,
        )
        .on(
            RequestCode::GET_ALL_TOPIC_LIST_FROM_NAMESERVER,
            Lane::Read,
            handlers::topics,
        )
        .on(
            RequestCode::GET_TOPICS_BY_CLUSTER,
            Lane::Read,
            handlers::topics_of_cluster,
        )
        .on(
            RequestCode::GET_SYSTEM_TOPIC_LIST_FROM_NS,
            Lane::Read,
            handlers::system_topics,
        )
        .on(
            RequestCode::GET_UNIT_TOPIC_LIST,
            Lane::Read,
            handlers::unit_topics,
        )
        .on(
            RequestCode::GET_HAS_UNIT_SUB_TOPIC_LIST,
            Lane::Read,
            handlers::unit_sub_topics,
        )
        .on(
            RequestCode::GET_HAS_UNIT_SUB_UNUNIT_TOPIC_LIST,
            Lane::Read,
            handlers::unit_sub_not_unit_topics,
        )
        // Administration.
        .on(
            RequestCode::WIPE_WRITE_PERM_OF_BROKER,
            Lane::Admin,
            handlers::wipe_write_perm,
        )
        .on(
            RequestCode::ADD_WRITE_PERM_OF_BROKER,
            Lane::Admin,
            handlers::add_write_perm,
        )
        .on(
            RequestCode::DELETE_TOPIC_IN_NAMESRV,
            Lane::Admin,
            handlers::delete_topic,
        )
        .on(
            RequestCode::REGISTER_TOPIC_IN_NAMESRV,
            Lane::Admin,
            handlers::register_topic,
        )
        .on(
            RequestCode::UPDATE_NAMESRV_CONFIG,
            Lane::Admin,
            handlers::update_config,
        )
        .on(
            RequestCode::GET_NAMESRV_CONFIG,
            Lane::Direct,
            handlers::config,
        )
}
