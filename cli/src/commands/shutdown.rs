//! `mq shutdown`: stop exactly the server that was meant, and say what it made safe.

use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::error::{CliError, Exit, Result};
use crate::instance::{Instance, Kind, Registry};
use crate::output::Output;

/// How long a server may take to end.
pub(crate) const WAIT: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(20);

/// Stop a server that runs on this host, and wait until it has ended
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  mq shutdown broker             the only broker of this host\n  \
                        mq shutdown broker broker-a\n  mq shutdown namesrv\n  mq shutdown dev"
)]
pub(crate) struct Args {
    /// What kind of server
    #[arg(value_enum)]
    kind: Kind,
    /// Which one, by name or process id; needed when there are several
    name: Option<String>,
    /// Wait so many seconds for its end
    #[arg(long, value_name = "SECONDS", default_value_t = WAIT.as_secs())]
    wait: u64,
}

pub(crate) async fn run(args: &Args, output: &Output) -> Result<Exit> {
    let registry = Registry::open()?;
    let instance = choose(args, registry.running()?)?;
    output.line(&stop(instance, Duration::from_secs(args.wait)).await?)?;
    Ok(Exit::Done)
}

/// Stops a server and waits for its end; returns what it said last.
pub(crate) async fn stop(instance: Instance, wait: Duration) -> Result<String> {
    let registry = Registry::open()?;
    let who = format!("{} {} (pid {})", instance.kind, instance.name, instance.pid);
    let pid = Pid::from_raw(instance.pid)
        .ok_or_else(|| CliError::failed("process id 0 in the list of servers"))?;
    kill_process(pid, Signal::TERM)
        .map_err(|e| CliError::failed(format!("cannot stop {who}")).because(&e))?;

    let deadline = Instant::now() + wait;
    while instance.is_running() {
        if Instant::now() > deadline {
            let hint = "it was asked to and goes on by itself; mq status shows when it is gone";
            return Err(CliError::failed(format!(
                "{who} has not ended within {} s",
                wait.as_secs()
            ))
            .hint(hint));
        }
        tokio::time::sleep(POLL).await;
    }
    let last_word = registry.read(&instance).and_then(|ended| ended.stopped);
    registry.remove(&instance);
    match last_word {
        Some(last_word) => Ok(format!("{who} stopped: {last_word}")),
        None => {
            let store = instance.store.map_or(String::new(), |store| {
                format!("; its store is {}", store.display())
            });
            let error =
                CliError::failed(format!("{who} ended without finishing its shutdown{store}"));
            Err(error.hint("the next start recovers; its log says what happened"))
        }
    }
}

fn choose(args: &Args, running: Vec<Instance>) -> Result<Instance> {
    let kind = args.kind;
    let (mut candidates, others): (Vec<_>, Vec<_>) = running
        .into_iter()
        .partition(|instance| instance.kind == kind);
    if let Some(name) = &args.name {
        let names: Vec<String> = candidates
            .iter()
            .map(|instance| instance.name.clone())
            .collect();
        candidates.retain(|instance| instance.name == *name || instance.pid.to_string() == *name);
        if candidates.is_empty() {
            let problem = format!("no {kind} '{name}' runs on this host");
            let otherwise = "mq status lists what runs";
            return Err(CliError::not_found(problem).did_you_mean(name, names, otherwise));
        }
    }
    match candidates.len() {
        1 => Ok(candidates.remove(0)),
        0 => {
            let error = CliError::not_found(format!("no {kind} runs on this host"));
            let dev = others.iter().any(|instance| instance.kind == Kind::Dev);
            Err(if dev {
                error.hint("one runs inside `mq dev`: mq shutdown dev")
            } else {
                error
            })
        }
        several => {
            let list: Vec<String> = candidates
                .iter()
                .map(|i| format!("{} (pid {})", i.name, i.pid))
                .collect();
            Err(CliError::usage(format!(
                "{several} of kind {kind} run on this host: {}",
                list.join(", ")
            ))
            .hint("name the one to stop, by name or by process id"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn instance(kind: Kind, name: &str, pid: i32) -> Instance {
        Instance {
            pid,
            start_ticks: 1,
            started_at_ms: 0,
            kind,
            name: name.to_owned(),
            addresses: Vec::new(),
            store: None,
            log: None,
            stopped: None,
        }
    }

    #[test]
    fn only_the_one_that_was_meant() {
        let running = || {
            vec![
                instance(Kind::Broker, "broker-a", 10),
                instance(Kind::Broker, "broker-b", 11),
                instance(Kind::Broker, "broker-b", 12),
                instance(Kind::Namesrv, "9876", 13),
            ]
        };
        for (kind, name, expected) in [
            (Kind::Namesrv, None, Ok(13)),
            (Kind::Broker, Some("broker-a"), Ok(10)),
            (Kind::Broker, Some("12"), Ok(12)),
            (Kind::Broker, Some("broker-b"), Err(Exit::Usage)),
            (Kind::Broker, None, Err(Exit::Usage)),
            (Kind::Broker, Some("broker-c"), Err(Exit::NotFound)),
            (Kind::Dev, None, Err(Exit::NotFound)),
        ] {
            let args = Args {
                kind,
                name: name.map(str::to_owned),
                wait: 1,
            };
            let chosen = choose(&args, running()).map(|i| i.pid).map_err(|e| e.exit);
            assert_eq!(chosen, expected, "{kind} {name:?}");
        }
    }
}
