//! Name servers and brokers: ours, or Apache's of some release, from the same `.properties`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::json;

use crate::folder::Folder;
use crate::process::Process;
use crate::{client_programs, mq, ports, wait, wire};

/// A JVM on a busy machine takes its time.
const BOOT: Duration = Duration::from_secs(60);
const SHUTDOWN: Duration = Duration::from_secs(60);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Maker {
    Mq,
    /// The release, as in `Maker::Apache("4.9.4")`.
    Apache(&'static str),
}

impl Maker {
    /// Whose servers the client programs run on: ours, unless `MQ_TESTS_SERVERS` names a release of Apache's (`4.9.4`,
    /// `5.3.3`). A scenario that fails there is wrong itself.
    pub fn under_test() -> Self {
        match std::env::var("MQ_TESTS_SERVERS").as_deref() {
            Err(_) | Ok("mq") => Self::Mq,
            Ok("4.9.4") => Self::Apache("4.9.4"),
            Ok("5.3.3") => Self::Apache("5.3.3"),
            Ok(other) => panic!("MQ_TESTS_SERVERS={other}: mq, 4.9.4 or 5.3.3 expected"),
        }
    }
}

#[derive(Debug)]
pub struct Namesrv {
    pub port: u16,
    maker: Maker,
    /// Dropped before the folder it writes to.
    process: Process,
    folder: Folder,
}

impl Namesrv {
    pub fn start(maker: Maker) -> Self {
        let folder = Folder::new();
        let port = ports::one();
        let file = folder.join("namesrv.properties");
        let kv = folder.join("kvConfig.json");
        let own = folder.join("namesrv-saved.properties");
        let text = format!(
            "listenPort={port}\nkvConfigPath={}\nconfigStorePath={}\n",
            kv.display(),
            own.display()
        );
        fs::write(&file, text).expect("the test's own folder");
        let process = boot(
            maker,
            &[],
            "namesrv",
            folder.path(),
            &file,
            "The Name Server boot success.",
        );
        Self {
            port,
            maker,
            process,
            folder,
        }
    }

    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// `kill -9` and start again, on the same port.
    pub fn restart(&mut self) {
        self.process.kill();
        let file = self.folder.join("namesrv.properties");
        self.process = boot(
            self.maker,
            &[],
            "namesrv",
            self.folder.path(),
            &file,
            "The Name Server boot success.",
        );
    }

    /// Waits until it gives out this broker, or no longer does.
    #[track_caller]
    pub fn wait_for(&self, broker: &str, registered: bool) {
        let what = format!(
            "name server {} to {} {broker}",
            self.port,
            if registered { "know" } else { "forget" }
        );
        wait::until(&what, BOOT, || {
            (knows(self.port, broker) == registered).then_some(())
        });
    }
}

/// A broker that does not run: what to start, and the folder with its store.
#[derive(Debug)]
pub struct BrokerConfig {
    pub port: u16,
    pub name: String,
    pub maker: Maker,
    namesrvs: Vec<u16>,
    properties: BTreeMap<&'static str, String>,
    /// A command that runs the one given to it.
    wrapper: Vec<String>,
    folder: Folder,
}

impl BrokerConfig {
    /// A master of its own, on an empty store. Segments are small, because every test begins with a first one.
    pub fn new(maker: Maker, name: &str, namesrvs: &[&Namesrv]) -> Self {
        let folder = Folder::new();
        let port = ports::broker();
        let store = folder.join("store");
        let properties = BTreeMap::from([
            ("brokerClusterName", "DefaultCluster".to_owned()),
            ("brokerName", name.to_owned()),
            ("brokerId", "0".to_owned()),
            ("brokerIP1", "127.0.0.1".to_owned()),
            ("brokerRole", "ASYNC_MASTER".to_owned()),
            ("flushDiskType", "ASYNC_FLUSH".to_owned()),
            ("listenPort", port.to_string()),
            ("storePathRootDir", store.display().to_string()),
            (
                "storePathCommitLog",
                store.join("commitlog").display().to_string(),
            ),
            ("autoCreateTopicEnable", "true".to_owned()),
            ("autoCreateSubscriptionGroup", "true".to_owned()),
            ("defaultTopicQueueNums", "4".to_owned()),
            ("mappedFileSizeCommitLog", "67108864".to_owned()),
            ("diskMaxUsedSpaceRatio", "95".to_owned()),
        ]);
        let config = Self {
            port,
            name: name.to_owned(),
            maker,
            namesrvs: Vec::new(),
            properties,
            wrapper: Vec::new(),
            folder,
        };
        config.registered_with(namesrvs)
    }

    pub fn set(mut self, key: &'static str, value: &str) -> Self {
        self.properties.insert(key, value.to_owned());
        self
    }

    /// Our broker is started by this command, which is given its command line and becomes it.
    pub fn run_by<'a>(mut self, wrapper: impl IntoIterator<Item = &'a str>) -> Self {
        self.wrapper = wrapper.into_iter().map(str::to_owned).collect();
        self
    }

    /// Delays and check-backs are short and filters and traces on, as the client programs' scenarios want it.
    pub fn for_scenarios(self) -> Self {
        self.set("messageDelayLevel", "1s 2s 1s 2s")
            .set("transactionTimeOut", "1000")
            .set("transactionCheckInterval", "1000")
            .set("enablePropertyFilter", "true")
            .set("traceTopicEnable", "true")
    }

    /// The same store and configuration, run by another maker's broker.
    pub fn made_by(mut self, maker: Maker) -> Self {
        self.maker = maker;
        self
    }

    /// The same store, registered elsewhere, or nowhere.
    pub fn registered_with(mut self, namesrvs: &[&Namesrv]) -> Self {
        self.namesrvs = namesrvs.iter().map(|namesrv| namesrv.port).collect();
        // Apache's broker does not start with an empty address.
        self.properties.remove("namesrvAddr");
        if namesrvs.is_empty() {
            return self;
        }
        let addresses: Vec<String> = namesrvs.iter().map(|namesrv| namesrv.address()).collect();
        self.set("namesrvAddr", &addresses.join(";"))
    }

    pub fn store(&self) -> PathBuf {
        self.folder.join("store")
    }

    #[track_caller]
    pub fn start(self) -> Broker {
        self.start_as("127.0.0.1")
    }

    /// Starts a broker that advertises another host than the one it is reached at (`brokerIP1`).
    #[track_caller]
    pub fn start_as(self, host: &str) -> Broker {
        let file = self.folder.join("broker.properties");
        let text: String = self
            .properties
            .iter()
            .map(|(key, value)| format!("{key}={value}\n"))
            .collect();
        fs::write(&file, text).expect("the test's own folder");
        let ready = format!(
            "The broker[{}, {host}:{}] boot success.",
            self.name, self.port
        );
        let folder = self.folder.path();
        let process = boot(self.maker, &self.wrapper, "broker", folder, &file, &ready);
        for port in &self.namesrvs {
            let what = format!("broker {} at name server {port}", self.name);
            wait::until(&what, BOOT, || knows(*port, &self.name).then_some(()));
        }
        Broker {
            process,
            config: self,
        }
    }
}

#[derive(Debug)]
pub struct Broker {
    process: Process,
    pub config: BrokerConfig,
}

impl Broker {
    /// Stops it as an operator would; its store can be started again.
    #[track_caller]
    pub fn stop(mut self) -> BrokerConfig {
        self.process.terminate();
        self.process.wait(SHUTDOWN);
        self.config
    }

    /// Stops it where it is: its connections stay, and nothing is answered.
    pub fn freeze(&self) {
        self.process.freeze();
    }

    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// All that it has printed, its log included.
    pub fn output(&self) -> String {
        self.process.output()
    }

    /// `kill -9`; its store can be started again.
    pub fn kill(mut self) -> BrokerConfig {
        self.process.kill();
        self.config
    }
}

/// Whether the name server on `port` gives out this broker.
fn knows(port: u16, broker: &str) -> bool {
    let answer = wire::Connection::open(port)
        .and_then(|mut connection| connection.ask(wire::GET_BROKER_CLUSTER_INFO, &json!({}), b""));
    // The body has bare numbers as keys, as fastjson writes them, and so is no JSON.
    answer.is_ok_and(|answer| {
        String::from_utf8_lossy(&answer.body).contains(&format!("\"brokerName\":\"{broker}\""))
    })
}

fn boot(
    maker: Maker,
    wrapper: &[String],
    kind: &str,
    folder: &Path,
    file: &Path,
    ready: &str,
) -> Process {
    let mut command = match maker {
        Maker::Mq => {
            let mut command = mq::wrapped(wrapper);
            // Its list of running servers is the test's own, too.
            command
                .args([kind, "start", "-c"])
                .arg(file)
                .env("XDG_RUNTIME_DIR", folder)
                .env("XDG_STATE_HOME", folder);
            command
        }
        Maker::Apache(version) => apache_command(version, kind, folder, file),
    };
    let output = folder.join(format!("{kind}.out"));
    let seen = fs::metadata(&output).map_or(0, |metadata| metadata.len() as usize);
    let mut process = Process::spawn(command.current_dir(folder), &output);
    process.wait_for_line(ready, seen, BOOT);
    process
}

fn apache_command(version: &str, kind: &str, home: &Path, file: &Path) -> Command {
    let main = match kind {
        "namesrv" => "org.apache.rocketmq.namesrv.NamesrvStartup",
        _ => "org.apache.rocketmq.broker.BrokerStartup",
    };
    let logback = write_logback(home, kind);
    let mut command = Command::new("java");
    command.args([
        "-Xms256m",
        "-Xmx256m",
        "-Xmn128m",
        "-XX:+UseSerialGC",
        "-XX:TieredStopAtLevel=1",
    ]);
    // What Apache's own start scripts open on newer JDKs.
    command.args(["--add-exports", "java.base/jdk.internal.ref=ALL-UNNAMED"]);
    command.args(["--add-exports", "java.base/sun.nio.ch=ALL-UNNAMED"]);
    command.args(["--add-opens", "java.base/java.nio=ALL-UNNAMED"]);
    command.args(["--add-opens", "java.base/java.lang=ALL-UNNAMED"]);
    command.arg(format!("-Duser.home={}", home.display()));
    // What it leaves there when it is killed goes with the test's folder.
    command.arg(format!("-Djava.io.tmpdir={}", home.display()));
    command.arg(format!(
        "-Drmq.logback.configurationFile={}",
        logback.display()
    ));
    command.arg("-cp").arg(
        client_programs::built(&format!("apache-{version}"))
            .join("lib")
            .join("*"),
    );
    command
        .arg(main)
        .arg("-c")
        .arg(file)
        .env("ROCKETMQ_HOME", home)
        .env_remove("NAMESRV_ADDR");
    command
}

/// 4.x looks for this file below ROCKETMQ_HOME and does not start without it; 5.x is pointed to it.
fn write_logback(home: &Path, kind: &str) -> PathBuf {
    let conf = home.join("conf");
    fs::create_dir_all(&conf).expect("the test's own folder");
    let file = conf.join(format!("logback_{kind}.xml"));
    let log = home.join(format!("{kind}.log"));
    let text = format!(
        "<configuration><appender name=\"file\" class=\"ch.qos.logback.core.FileAppender\"><file>{}</file>\
         <encoder><pattern>%d %p %t %c - %m%n</pattern></encoder></appender>\
         <root level=\"WARN\"><appender-ref ref=\"file\"/></root></configuration>\n",
        log.display()
    );
    fs::write(&file, text).expect("the test's own folder");
    file
}
