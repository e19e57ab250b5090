//! Connections of clients.

use client::admin::version_name;
use remoting::protocol::body::client::ClientConnection;

use super::options::{TOPIC, req, val};
use super::{Call, Verb, asking, out, verb};
use crate::error::{CliError, Exit, Result};

pub(super) const VERBS: &[Verb] = &[
    verb!(
        "producerConnection",
        "Show the clients of a producer group",
        producers,
        [req("g", "producerGroup", "producer group name"), TOPIC,]
    ),
    verb!(
        "consumerConnection",
        "Show the clients and subscriptions of a consumer group",
        consumers,
        [
            req("g", "consumerGroup", "consumer group name"),
            val("b", "brokerAddr", "ask this broker"),
        ]
    ),
    verb!(
        "producer",
        "Show all producers that a broker knows",
        all_producers,
        [req("b", "broker", "address of the broker"),]
    ),
];

async fn producers(call: &Call<'_>) -> Result<Exit> {
    let group = call.text("g");
    let route = call.route(call.text("t")).await?;
    let mut connections: Vec<ClientConnection> = Vec::new();
    let exit = call
        .each(
            asking::one_address_each(&route),
            &format!("list the clients of group '{group}'"),
            |admin, address| {
                let group = group.to_owned();
                async move { admin.producers(&address, &group).await }
            },
            |_, producers| {
                for connection in producers.connection_set {
                    if !connections
                        .iter()
                        .any(|c| c.client_id == connection.client_id)
                    {
                        connections.push(connection);
                    }
                }
                Ok(())
            },
        )
        .await?;
    if connections.is_empty() && exit == Exit::Done {
        return Err(CliError::not_found(format!(
            "Not found the producer group connection: nobody sends in group '{group}'"
        )));
    }
    connections.sort_by(|a, b| a.client_id.cmp(&b.client_id));
    for (number, connection) in (1..).zip(&connections) {
        let ClientConnection {
            client_id,
            client_addr,
            language,
            version,
        } = connection;
        let version = version_name(*version);
        out!(
            call,
            "{number:04}  {client_id:<32} {client_addr:<22} {language:<8} {version}\n"
        );
    }
    Ok(exit)
}

async fn consumers(call: &Call<'_>) -> Result<Exit> {
    let group = call.text("g");
    let addresses = match call.get("b") {
        Some(address) => vec![address.to_owned()],
        None => call.group_addresses(group).await?,
    };
    let (members, exit) = call.online(addresses, group).await?;
    let row = |columns: [&str; 4]| -> Result<()> {
        let [id, address, language, version] = columns;
        out!(call, "{id:<36} {address:<22} {language:<10} {version}\n");
        Ok(())
    };
    row(["#ClientId", "#ClientAddr", "#Language", "#Version"])?;
    for connection in &members.connection_set {
        let ClientConnection {
            client_id,
            client_addr,
            language,
            version,
        } = connection;
        row([client_id, client_addr, language, &version_name(*version)])?;
    }
    out!(
        call,
        "\nBelow is subscription:\n{:<20} {}\n",
        "#Topic",
        "#SubExpression"
    );
    for subscription in members.subscription_table.values() {
        out!(
            call,
            "{:<20} {}\n",
            subscription.topic,
            subscription.sub_string
        );
    }
    let or_null = |text: &Option<String>| text.clone().unwrap_or_else(|| "null".to_owned());
    out!(call, "\nConsumeType: {}\n", or_null(&members.consume_type));
    out!(call, "MessageModel: {}\n", or_null(&members.message_model));
    out!(
        call,
        "ConsumeFromWhere: {}\n",
        or_null(&members.consume_from_where)
    );
    Ok(exit)
}

async fn all_producers(call: &Call<'_>) -> Result<Exit> {
    let address = call.text("b");
    let groups = call.admin.all_producers(address).await;
    let groups = groups
        .map_err(|e| CliError::client(format!("cannot list the producers of {address}"), &e))?;
    for (group, producers) in &groups {
        if producers.is_empty() {
            out!(call, "producer group ({group}) instances are empty\n");
        }
        for producer in producers {
            out!(
                call,
                "producer group ({group}) instance : clientId={},remoteIP={}, language={}, version={}, \
                 lastUpdateTimestamp={}\n",
                producer.client_id,
                producer.remote_ip,
                producer.language,
                producer.version,
                producer.last_update_timestamp,
            );
        }
    }
    Ok(Exit::Done)
}
