//! Access control of 4.x: 50 to 54. This broker has none, and says so with the codes that 4.9 answers
//! while `aclEnable` is off. 4.9 never answers 52 and 54 then, and its tools wait in vain.

use remoting::protocol::codes::{RequestCode, ResponseCode};
use remoting::transport::router::{Refusal, Reply, Request};

use crate::broker::Broker;

/// `UPDATE_AND_CREATE_ACL_CONFIG_FAILED`; the number has another name since 5.0, as have the next.
const UPDATE_FAILED: ResponseCode = ResponseCode(209);
/// `DELETE_ACL_CONFIG_FAILED`.
const DELETE_FAILED: ResponseCode = ResponseCode(210);
/// `UPDATE_GLOBAL_WHITE_ADDRS_CONFIG_FAILED`.
const WHITE_ADDRS_FAILED: ResponseCode = ResponseCode(211);

pub(crate) fn not_enabled(_: &Broker, request: &Request<'_>) -> Result<Reply, Refusal> {
    let code = match request.command.request_code() {
        RequestCode::UPDATE_AND_CREATE_ACL_CONFIG => UPDATE_FAILED,
        RequestCode::DELETE_ACL_CONFIG => DELETE_FAILED,
        RequestCode::UPDATE_GLOBAL_WHITE_ADDRS_CONFIG => WHITE_ADDRS_FAILED,
        _ => ResponseCode::SYSTEM_ERROR,
    };
    Err(Refusal::new(
        code,
        "access control is not enabled on this broker",
    ))
}
