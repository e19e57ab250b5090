//! Transactions, ended by their producer, asked for, or given up.

use remoting::protocol::codes::{RequestCode, ResponseCode};
use remoting::protocol::headers::admin::ResumeCheckHalfMessageRequestHeader;
use remoting::protocol::headers::send::{
    CheckTransactionStateRequestHeader, EndTransactionRequestHeader,
};
use remoting::protocol::message::id::{decode_offset_message_id, offset_message_id};
use remoting::protocol::message::record::Record;
use remoting::protocol::message::sys_flag;

use crate::vocabulary::Broker;

#[tokio::test(flavor = "multi_thread")]
async fn transactions_end_as_their_producer_says_also_when_it_is_asked() {
    let dir = tempfile::tempdir().unwrap();
    let settings = [
        ("transactionCheckInterval", "20"),
        ("transactionTimeOut", "1"),
    ];
    let broker = Broker::start(&dir, &settings).await;
    broker.send("T", "first").await;
    let half = [("TRAN_MSG", "true"), ("PGROUP", "P"), ("UNIQ_KEY", "U")];
    let end = async |producer_group: &str, queue_offset, commit_log_offset, commit_or_rollback| {
        let header = EndTransactionRequestHeader {
            producer_group: producer_group.to_owned(),
            tran_state_table_offset: queue_offset,
            commit_log_offset,
            commit_or_rollback,
            ..EndTransactionRequestHeader::default()
        };
        broker
            .code_of(RequestCode::END_TRANSACTION, &header, "")
            .await
    };
    // Committed by itself; what others say of it does not count.
    let sent = broker.send_with("T", "committed", &half).await;
    let (_, at) = decode_offset_message_id(&sent.msg_id).unwrap();
    assert_eq!(
        broker.pull("T", 1, false).await.0,
        ResponseCode::PULL_NOT_FOUND
    );
    assert_eq!(
        end("other", sent.queue_offset, at, sys_flag::TRANSACTION_COMMIT).await,
        ResponseCode::SYSTEM_ERROR
    );
    assert_eq!(
        end("P", sent.queue_offset + 1, at, sys_flag::TRANSACTION_COMMIT).await,
        ResponseCode::SYSTEM_ERROR
    );
    assert_eq!(
        end("P", sent.queue_offset, at, sys_flag::TRANSACTION_COMMIT).await,
        ResponseCode::SUCCESS
    );
    let message = broker.wait_for("T", 1).await;
    let message = Record::parse(&message[0]).unwrap();
    assert_eq!(
        (message.body, message.prepared_transaction_offset),
        (&b"committed"[..], at)
    );
    assert_eq!(
        message.sys_flag & sys_flag::TRANSACTION_MASK,
        sys_flag::TRANSACTION_COMMIT
    );

    let sent = broker.send_with("T", "rolled back", &half).await;
    let (_, at) = decode_offset_message_id(&sent.msg_id).unwrap();
    assert_eq!(
        end("P", sent.queue_offset, at, sys_flag::TRANSACTION_ROLLBACK).await,
        ResponseCode::SUCCESS
    );

    // Nobody says anything of this one, so a producer of the group is asked.
    broker.send_with("T", "asked for", &half).await;
    let (_producer, mut requests) = broker.joined("p", &[]).await;
    let question = requests.recv().await.unwrap();
    assert_eq!(
        RequestCode(question.code),
        RequestCode::CHECK_TRANSACTION_STATE
    );
    let asked_for = Record::parse(&question.body).unwrap();
    assert_eq!((asked_for.topic, asked_for.body), ("T", &b"asked for"[..]));
    let header: CheckTransactionStateRequestHeader = question.header().unwrap();
    let committed = end(
        "P",
        header.tran_state_table_offset,
        header.commit_log_offset,
        sys_flag::TRANSACTION_COMMIT,
    );
    assert_eq!(committed.await, ResponseCode::SUCCESS);
    let message = broker.wait_for("T", 2).await;
    assert_eq!(Record::parse(&message[0]).unwrap().body, b"asked for");
    broker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_that_nobody_ends_is_given_up() {
    let dir = tempfile::tempdir().unwrap();
    let settings = [
        ("transactionCheckInterval", "20"),
        ("transactionTimeOut", "1"),
        ("transactionCheckMax", "2"),
    ];
    let broker = Broker::start(&dir, &settings).await;
    broker
        .send_with("T", "forgotten", &[("TRAN_MSG", "true"), ("PGROUP", "P")])
        .await;
    let topic = "TRANS_CHECK_MAX_TIME_TOPIC";
    while broker.pull(topic, 0, false).await.0 == ResponseCode::TOPIC_NOT_EXIST {}
    let given_up = broker.wait_for(topic, 0).await;
    let given_up = Record::parse(&given_up[0]).unwrap();
    assert_eq!(
        (given_up.body, given_up.property("TRANSACTION_CHECK_TIMES")),
        (&b"forgotten"[..], Some("2"))
    );

    // An operator lets it be asked for again.
    let resume = async |msg_id: String| {
        let header = ResumeCheckHalfMessageRequestHeader {
            msg_id,
            topic: None,
        };
        broker
            .code_of(RequestCode::RESUME_CHECK_HALF_MESSAGE, &header, "")
            .await
    };
    let id = offset_message_id(given_up.store_host, given_up.physical_offset);
    assert_eq!(resume(id).await, ResponseCode::SUCCESS);
    let again = broker.wait_for(topic, 1).await;
    assert_eq!(Record::parse(&again[0]).unwrap().body, b"forgotten");
    let plain = broker.send("T", "no half message").await;
    assert_eq!(resume(plain.msg_id).await, ResponseCode::SYSTEM_ERROR);
    assert_eq!(
        resume("nonsense".to_owned()).await,
        ResponseCode::SYSTEM_ERROR
    );
    broker.stop().await;
}
