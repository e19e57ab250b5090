//! Request and response codes: number and name, one table each.

macro_rules! codes {
    ($(#[$doc:meta])* $type:ident { $($number:literal $name:ident;)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        pub struct $type(pub i32);

        impl $type {
            $(pub const $name: Self = Self($number);)*

            /// Every code that has a name.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];
        }

        impl $type {
            /// Apache's name of the code, `UNKNOWN` for a number that has none.
            pub fn name(self) -> &'static str {
                match self.0 {
                    $($number => stringify!($name),)*
                    _ => "UNKNOWN",
                }
            }
        }

        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "{} ({})", self.name(), self.0)
            }
        }
    };
}

codes! {
    /// What a request asks for. Numbers without a name are valid requests that nobody here serves.
    RequestCode {
        10 SEND_MESSAGE;
        11 PULL_MESSAGE;
        12 QUERY_MESSAGE;
        14 QUERY_CONSUMER_OFFSET;
        15 UPDATE_CONSUMER_OFFSET;
        17 UPDATE_AND_CREATE_TOPIC;
        18 UPDATE_AND_CREATE_TOPIC_LIST;
        21 GET_ALL_TOPIC_CONFIG;
        25 UPDATE_BROKER_CONFIG;
        26 GET_BROKER_CONFIG;
        28 GET_BROKER_RUNTIME_INFO;
        29 SEARCH_OFFSET_BY_TIMESTAMP;
        30 GET_MAX_OFFSET;
        31 GET_MIN_OFFSET;
        32 GET_EARLIEST_MSG_STORETIME;
        33 VIEW_MESSAGE_BY_ID;
        34 HEART_BEAT;
        35 UNREGISTER_CLIENT;
        36 CONSUMER_SEND_MSG_BACK;
        37 END_TRANSACTION;
        38 GET_CONSUMER_LIST_BY_GROUP;
        39 CHECK_TRANSACTION_STATE;
        40 NOTIFY_CONSUMER_IDS_CHANGED;
        41 LOCK_BATCH_MQ;
        42 UNLOCK_BATCH_MQ;
        43 GET_ALL_CONSUMER_OFFSET;
        45 GET_ALL_DELAY_OFFSET;
        46 CHECK_CLIENT_CONFIG;
        47 GET_CLIENT_CONFIG;
        50 UPDATE_AND_CREATE_ACL_CONFIG;
        51 DELETE_ACL_CONFIG;
        52 GET_BROKER_CLUSTER_ACL_INFO;
        53 UPDATE_GLOBAL_WHITE_ADDRS_CONFIG;
        54 GET_BROKER_CLUSTER_ACL_CONFIG;
        60 GET_TIMER_CHECK_POINT;
        61 GET_TIMER_METRICS;
        100 PUT_KV_CONFIG;
        101 GET_KV_CONFIG;
        102 DELETE_KV_CONFIG;
        103 REGISTER_BROKER;
        104 UNREGISTER_BROKER;
        105 GET_ROUTEINFO_BY_TOPIC;
        106 GET_BROKER_CLUSTER_INFO;
        200 UPDATE_AND_CREATE_SUBSCRIPTIONGROUP;
        201 GET_ALL_SUBSCRIPTIONGROUP_CONFIG;
        202 GET_TOPIC_STATS_INFO;
        203 GET_CONSUMER_CONNECTION_LIST;
        204 GET_PRODUCER_CONNECTION_LIST;
        205 WIPE_WRITE_PERM_OF_BROKER;
        206 GET_ALL_TOPIC_LIST_FROM_NAMESERVER;
        207 DELETE_SUBSCRIPTIONGROUP;
        208 GET_CONSUME_STATS;
        215 DELETE_TOPIC_IN_BROKER;
        216 DELETE_TOPIC_IN_NAMESRV;
        217 REGISTER_TOPIC_IN_NAMESRV;
        219 GET_KVLIST_BY_NAMESPACE;
        220 RESET_CONSUMER_CLIENT_OFFSET;
        221 GET_CONSUMER_STATUS_FROM_CLIENT;
        222 INVOKE_BROKER_TO_RESET_OFFSET;
        223 INVOKE_BROKER_TO_GET_CONSUMER_STATUS;
        224 GET_TOPICS_BY_CLUSTER;
        225 UPDATE_AND_CREATE_SUBSCRIPTIONGROUP_LIST;
        300 QUERY_TOPIC_CONSUME_BY_WHO;
        303 QUERY_CONSUME_TIME_SPAN;
        304 GET_SYSTEM_TOPIC_LIST_FROM_NS;
        305 GET_SYSTEM_TOPIC_LIST_FROM_BROKER;
        306 CLEAN_EXPIRED_CONSUMEQUEUE;
        307 GET_CONSUMER_RUNNING_INFO;
        308 QUERY_CORRECTION_OFFSET;
        309 CONSUME_MESSAGE_DIRECTLY;
        310 SEND_MESSAGE_V2;
        311 GET_UNIT_TOPIC_LIST;
        312 GET_HAS_UNIT_SUB_TOPIC_LIST;
        313 GET_HAS_UNIT_SUB_UNUNIT_TOPIC_LIST;
        314 CLONE_GROUP_OFFSET;
        315 VIEW_BROKER_STATS_DATA;
        316 CLEAN_UNUSED_TOPIC;
        317 GET_BROKER_CONSUME_STATS;
        318 UPDATE_NAMESRV_CONFIG;
        319 GET_NAMESRV_CONFIG;
        320 SEND_BATCH_MESSAGE;
        321 QUERY_CONSUME_QUEUE;
        322 QUERY_DATA_VERSION;
        323 RESUME_CHECK_HALF_MESSAGE;
        324 SEND_REPLY_MESSAGE;
        325 SEND_REPLY_MESSAGE_V2;
        326 PUSH_REPLY_MESSAGE_TO_CLIENT;
        327 ADD_WRITE_PERM_OF_BROKER;
        328 GET_ALL_PRODUCER_INFO;
        329 DELETE_EXPIRED_COMMITLOG;
        343 QUERY_TOPICS_BY_CONSUMER;
        345 QUERY_SUBSCRIPTION_BY_CONSUMER;
        351 GET_TOPIC_CONFIG;
        352 GET_SUBSCRIPTIONGROUP_CONFIG;
        353 UPDATE_AND_GET_GROUP_FORBIDDEN;
        354 CHECK_ROCKSDB_CQ_WRITE_PROGRESS;
        355 EXPORT_ROCKSDB_CONFIG_TO_JSON;
        361 LITE_PULL_MESSAGE;
        370 RECALL_MESSAGE;
        400 QUERY_ASSIGNMENT;
        401 SET_MESSAGE_REQUEST_MODE;
        402 GET_ALL_MESSAGE_REQUEST_MODE;
        513 UPDATE_AND_CREATE_STATIC_TOPIC;
        901 GET_BROKER_MEMBER_GROUP;
        902 ADD_BROKER;
        903 REMOVE_BROKER;
        904 BROKER_HEARTBEAT;
        905 NOTIFY_MIN_BROKER_ID_CHANGE;
        906 EXCHANGE_BROKER_HA_INFO;
        907 GET_BROKER_HA_STATUS;
        908 RESET_MASTER_FLUSH_OFFSET;
        1002 CONTROLLER_ELECT_MASTER;
        1005 CONTROLLER_GET_METADATA_INFO;
        1006 CONTROLLER_GET_SYNC_STATE_DATA;
        1007 GET_BROKER_EPOCH_CACHE;
        1009 UPDATE_CONTROLLER_CONFIG;
        1010 GET_CONTROLLER_CONFIG;
        1011 CLEAN_BROKER_DATA;
        2001 UPDATE_COLD_DATA_FLOW_CTR_CONFIG;
        2002 REMOVE_COLD_DATA_FLOW_CTR_CONFIG;
        2003 GET_COLD_DATA_FLOW_CTR_INFO;
        2004 SET_COMMITLOG_READ_MODE;
        3001 AUTH_CREATE_USER;
        3002 AUTH_UPDATE_USER;
        3003 AUTH_DELETE_USER;
        3004 AUTH_GET_USER;
        3005 AUTH_LIST_USER;
        3006 AUTH_CREATE_ACL;
        3007 AUTH_UPDATE_ACL;
        3008 AUTH_DELETE_ACL;
        3009 AUTH_GET_ACL;
        3010 AUTH_LIST_ACL;
        200050 POP_MESSAGE;
        200051 ACK_MESSAGE;
        200052 PEEK_MESSAGE;
        200053 CHANGE_MESSAGE_INVISIBLETIME;
        200054 NOTIFICATION;
        200055 POLLING_INFO;
        200056 POP_ROLLBACK;
        200151 BATCH_ACK_MESSAGE;
    }
}

codes! {
    /// How a request ended. Numbers 209 to 211 meant ACL failures in 4.5 to 4.9; these are their 5.x names.
    ResponseCode {
        0 SUCCESS;
        1 SYSTEM_ERROR;
        2 SYSTEM_BUSY;
        3 REQUEST_CODE_NOT_SUPPORTED;
        4 TRANSACTION_FAILED;
        10 FLUSH_DISK_TIMEOUT;
        11 SLAVE_NOT_AVAILABLE;
        12 FLUSH_SLAVE_TIMEOUT;
        13 MESSAGE_ILLEGAL;
        14 SERVICE_NOT_AVAILABLE;
        15 VERSION_NOT_SUPPORTED;
        16 NO_PERMISSION;
        17 TOPIC_NOT_EXIST;
        18 TOPIC_EXIST_ALREADY;
        19 PULL_NOT_FOUND;
        20 PULL_RETRY_IMMEDIATELY;
        21 PULL_OFFSET_MOVED;
        22 QUERY_NOT_FOUND;
        23 SUBSCRIPTION_PARSE_FAILED;
        24 SUBSCRIPTION_NOT_EXIST;
        25 SUBSCRIPTION_NOT_LATEST;
        26 SUBSCRIPTION_GROUP_NOT_EXIST;
        27 FILTER_DATA_NOT_EXIST;
        28 FILTER_DATA_NOT_LATEST;
        29 INVALID_PARAMETER;
        200 TRANSACTION_SHOULD_COMMIT;
        201 TRANSACTION_SHOULD_ROLLBACK;
        202 TRANSACTION_STATE_UNKNOW;
        203 TRANSACTION_STATE_GROUP_WRONG;
        204 NO_BUYER_ID;
        205 NOT_IN_CURRENT_UNIT;
        206 CONSUMER_NOT_ONLINE;
        207 CONSUME_MSG_TIMEOUT;
        208 NO_MESSAGE;
        209 POLLING_FULL;
        210 POLLING_TIMEOUT;
        211 BROKER_NOT_EXIST;
        212 BROKER_DISPATCH_NOT_COMPLETE;
        213 BROADCAST_CONSUMPTION;
        215 FLOW_CONTROL;
        501 NOT_LEADER_FOR_QUEUE;
        604 ILLEGAL_OPERATION;
        1500 GO_AWAY;
        3001 USER_NOT_EXIST;
        3002 POLICY_NOT_EXIST;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_names_are_apaches() {
        assert_eq!(RequestCode::SEND_MESSAGE_V2.0, 310);
        assert_eq!(RequestCode(200050).name(), "POP_MESSAGE");
        assert_eq!(RequestCode(-1).name(), "UNKNOWN");
        assert_eq!(ResponseCode(17).to_string(), "TOPIC_NOT_EXIST (17)");
        assert_eq!(ResponseCode::default(), ResponseCode::SUCCESS);
    }
}
