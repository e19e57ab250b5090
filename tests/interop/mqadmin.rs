//! `mqadmin` in both directions: Apache's tool on our servers, our drop-in on Apache's and on ours, each beside Apache's
//! tool on Apache's servers. `mqadmin/table.md` says for every verb where they print the same, and why they do not.
//!
//! A step `UNTIL x VERB …` is of a verb that goes on for ever: it ends when it has printed a line with `x`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::thread;
use std::time::Duration;

use mq_tests::{BrokerConfig, Folder, Maker, Namesrv, Process, client_programs, mq};
use regex::Regex;
use serde_json::json;

const PATIENCE: Duration = Duration::from_secs(60);

/// How the outputs of a step are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Compare {
    /// Line by line.
    Exactly,
    /// As sets of lines: one side prints them in the order of a hash table.
    Sorted,
    /// Only what stands before the first `:` or `=` of each line.
    Names,
    /// Without their digits, which are measured.
    Measured,
}
use Compare::{Exactly, Measured, Names, Sorted};

/// A release of Apache's tool and servers.
#[derive(Debug, Clone, Copy)]
struct Release {
    version: &'static str,
    /// What the drop-in is asked for.
    columns: &'static str,
    /// What is done to a fresh cluster, in this order; some of it is the same in both releases.
    steps: [&'static [Step]; 4],
}

impl Release {
    fn steps(&self) -> impl Iterator<Item = &'static Step> {
        self.steps.into_iter().flatten()
    }
}

/// A verb with its options. `NAMESRV`, `BROKER`, `FOLDER` stand for what each cluster has, `OFFSET_ID` and `UNIQUE_KEY`
/// for the ids of the first message, `CLIENT_ID` for that of the consumer.
type Step = (Compare, &'static str);

const RELEASES: [Release; 2] = [
    Release {
        version: "4.9.4",
        columns: "4.9",
        steps: [FIRST_STEPS, ID_STEPS_OF_4, NEXT_STEPS, LAST_STEPS_OF_4],
    },
    Release {
        version: "5.3.3",
        columns: "5.3",
        steps: [FIRST_STEPS, ID_STEPS_OF_5, NEXT_STEPS, LAST_STEPS_OF_5],
    },
];

/// Up to the first message, whose place is known then.
const FIRST_STEPS: &[Step] = &[
    (Exactly, "updateTopic -b BROKER -t one -r 1 -w 1"),
    (Exactly, "updateTopic -b BROKER -t orders -r 2 -w 2"),
    (
        Exactly,
        "updateTopic -c DefaultCluster -t extra -r 1 -w 1 -o true",
    ),
    (Exactly, "updateOrderConf -t extra -m get"),
    (Exactly, "updateOrderConf -t extra -m put -v broker-a:2"),
    (Exactly, "updateOrderConf -t extra -m delete"),
    (Exactly, "sendMessage -t one -p hello -k k1 -c tagA -m true"),
    (Exactly, "sendMessage -t one -p again -b broker-a -i 0"),
    (Exactly, "topicRoute -t orders"),
    (Exactly, "topicRoute -t orders -l"),
    (Exactly, "topicRoute -t missing"),
    (Exactly, "topicClusterList -t orders"),
    (Exactly, "updateTopicPerm -b BROKER -t orders -p 4"),
    (Exactly, "updateTopicPerm -b BROKER -t orders -p 4"),
    (Exactly, "updateTopicPerm -c DefaultCluster -t orders -p 6"),
    (Exactly, "updateSubGroup -b BROKER -g others"),
    (
        Exactly,
        "updateSubGroup -c DefaultCluster -g others -q 2 -s false",
    ),
    (Exactly, "getConsumerConfig -g others"),
    (Exactly, "topicStatus -t one"),
    (Sorted, "topicList"),
    (Sorted, "topicList -c"),
    (Exactly, "queryMsgByOffset -t one -b broker-a -i 0 -o 0"),
];

const ID_STEPS_OF_4: &[Step] = &[(Exactly, "queryMsgById -i OFFSET_ID")];

/// The topic is required since 5.x; without it, the tool ends its JVM.
const ID_STEPS_OF_5: &[Step] = &[(Exactly, "queryMsgById -t one -i OFFSET_ID")];

const NEXT_STEPS: &[Step] = &[
    (Exactly, "queryMsgByUniqueKey -t one -i UNIQUE_KEY"),
    (Exactly, "queryMsgByKey -t one -k k1"),
    (Exactly, "queryMsgTraceById -i UNIQUE_KEY"),
    (Exactly, "printMsg -t one"),
    (
        Exactly,
        "printMsgByQueue -t one -a broker-a -i 0 -p true -d true -f true",
    ),
    (Exactly, "consumeMessage -t one -b broker-a -i 0 -o 1 -c 1"),
    (Exactly, "consumeMessage -t one"),
    (Measured, "sendMsgStatus -b broker-a -c 1"),
    (Measured, "checkMsgSendRT -t one -a 2"),
    (Measured, "clusterList"),
    (Measured, "clusterList -m"),
    (Names, "brokerStatus -b BROKER"),
    (Names, "getBrokerConfig -b BROKER"),
    (
        Exactly,
        "updateBrokerConfig -b BROKER -k brokerPermission -v 6",
    ),
    (Exactly, "cleanExpiredCQ -b BROKER"),
    (Exactly, "deleteExpiredCommitLog -c DefaultCluster"),
    (Exactly, "cleanUnusedTopic"),
    (Names, "getNamesrvConfig"),
    (Exactly, "updateNamesrvConfig -k orderMessageEnable -v true"),
    (Exactly, "updateKvConfig -s space -k a -v b"),
    (Exactly, "deleteKvConfig -s space -k a"),
    (Measured, "wipeWritePerm -b broker-a"),
    (Measured, "addWritePerm -b broker-a"),
    (Exactly, "allocateMQ -t orders -i a,b"),
    (Exactly, "queryCq -t one -q 0 -i 0 -c 1 -b BROKER"),
    (Measured, "statsAll -t one"),
    (Exactly, "consumerProgress -g nobody"),
    (Exactly, "consumerConnection -g nobody"),
    (Exactly, "producerConnection -g nobody -t one"),
    (Exactly, "START-CONSUMER one readers"),
    (Sorted, "consumerConnection -g readers"),
    (Exactly, "consumerProgress -g readers"),
    (Exactly, "consumerProgress"),
    (Measured, "consumerStatus -g readers"),
    (Measured, "consumerStatus -g readers -i CLIENT_ID"),
    (Exactly, "brokerConsumeStats -b BROKER"),
    (Exactly, "producer -b BROKER"),
    (Exactly, "STOP-CONSUMER"),
    (Exactly, "resetOffsetByTime -g readers -t one -s now"),
    (Exactly, "skipAccumulatedMessage -g readers -t one"),
    (Exactly, "cloneGroupOffset -s readers -d others -t one"),
    (Exactly, "exportMetadata -c DefaultCluster -f FOLDER"),
    (Exactly, "exportConfigs -c DefaultCluster -f FOLDER"),
    (Measured, "exportMetrics -c DefaultCluster -f FOLDER"),
    (Exactly, "deleteSubGroup -b BROKER -g others -r true"),
    (Exactly, "deleteTopic -c DefaultCluster -t extra"),
    (Measured, "UNTIL broker-a clusterRT -a 2"),
    (Exactly, "UNTIL endRound startMonitoring"),
];

/// What 5.3 does not have; and what became of a message, which cannot be compared there: its broker takes a topic that
/// has consumers for one of its groups.
const LAST_STEPS_OF_4: &[Step] = &[
    (Exactly, "START-CONSUMER one readers"),
    (Exactly, "queryMsgByUniqueKey -t one -i UNIQUE_KEY"),
    (Exactly, "STOP-CONSUMER"),
    (Exactly, "queryMsgById -i OFFSET_ID"),
    (Exactly, "updateAclConfig -b BROKER -a account -s 12345678"),
    (Exactly, "deleteAclConfig -b BROKER -a account"),
    (Exactly, "clusterAclConfigVersion -b BROKER"),
    (Exactly, "updateGlobalWhiteAddr -b BROKER -g 10.10.10.1"),
    (Exactly, "getAclConfig -b BROKER"),
];

/// What 4.9 does not have.
const LAST_STEPS_OF_5: &[Step] = &[
    (Exactly, "updateTopicList -b BROKER -f FOLDER/topics.json"),
    (
        Exactly,
        "updateSubGroupList -b BROKER -f FOLDER/groups.json",
    ),
    (
        Exactly,
        "setConsumeMode -b BROKER -t listed-1 -g listed-group -m POP -q 1",
    ),
    (Measured, "haStatus -b BROKER"),
    (Exactly, "resetMasterFlushOffset -b BROKER -o 0"),
    (Exactly, "getBrokerEpoch -b broker-a"),
    (Exactly, "getSyncStateSet -a NAMESRV -b broker-a"),
    (Exactly, "getControllerMetaData -a NAMESRV"),
    (Exactly, "getControllerConfig -a NAMESRV"),
    (Exactly, "updateControllerConfig -a NAMESRV -k a -v b"),
    (
        Exactly,
        "electMaster -a NAMESRV -b 1 -bn broker-a -c DefaultCluster",
    ),
    (
        Exactly,
        "cleanBrokerMetadata -a NAMESRV -b 1 -bn broker-a -c DefaultCluster",
    ),
    (Exactly, "addBroker -c BROKER -b FOLDER/broker.conf"),
    (
        Exactly,
        "removeBroker -c BROKER -b DefaultCluster:broker-a:0",
    ),
    (Sorted, "getColdDataFlowCtrInfo -b BROKER"),
    (
        Exactly,
        "updateColdDataFlowCtrGroupConfig -b BROKER -g listed-group -v 1000000",
    ),
    (
        Exactly,
        "removeColdDataFlowCtrGroupConfig -b BROKER -g listed-group",
    ),
    (Exactly, "setCommitLogReadAheadMode -b BROKER -m 0"),
    (Exactly, "createUser -b BROKER -u ann -p 12345678 -t Normal"),
    (Exactly, "updateUser -b BROKER -u ann -p 87654321"),
    (Exactly, "getUser -b BROKER -u ann"),
    (Exactly, "listUser -b BROKER"),
    (
        Exactly,
        "createAcl -b BROKER -s User:ann -r Topic:listed-1 -a Pub,Sub -d Allow",
    ),
    (
        Exactly,
        "updateAcl -b BROKER -s User:ann -r Topic:listed-1 -a Pub -d Deny",
    ),
    (Exactly, "getAcl -b BROKER -s User:ann"),
    (Exactly, "listAcl -b BROKER"),
    (Exactly, "copyUser -f BROKER -t BROKER"),
    (Exactly, "copyAcl -f BROKER -t BROKER"),
    (Exactly, "deleteAcl -b BROKER -s User:ann"),
    (Exactly, "deleteUser -b BROKER -u ann"),
    (Exactly, "exportPopRecord -b BROKER"),
    (Exactly, "rocksDBConfigToJson -c DefaultCluster -t topics"),
    (Exactly, "checkRocksdbCqWriteProgress -c DefaultCluster"),
    (
        Exactly,
        "exportMetadataInRocksDB -p FOLDER/rocksdb -t topics",
    ),
    (Exactly, "dumpCompactionLog -f FOLDER/compaction"),
    (Exactly, "updateStaticTopic -b broker-a -t fixed -qn 2"),
    (Exactly, "remappingStaticTopic -b broker-a -t fixed"),
];

fn verb_of(step: &str) -> &str {
    let mut words = step.split(' ');
    let first = words.next().expect("a verb");
    match first {
        "UNTIL" => words.nth(1).expect("a verb"),
        verb => verb,
    }
}

/// What a step printed, and whether it failed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Outcome {
    printed: String,
    failed: bool,
    /// What ours said beside it: shown where it should not have failed.
    complaint: String,
}

/// Whose `mqadmin` it is.
enum Tool {
    Java(Process),
    /// Run in this folder, with these columns.
    Ours(PathBuf, &'static str),
}

impl Tool {
    fn java(version: &str, home: &Path) -> Self {
        let mut command = java(version, home);
        Self::Java(Process::spawn(&mut command, &home.join("mqadmin.out")))
    }

    fn run(&mut self, words: &[String]) -> Outcome {
        match self {
            // The driver knows it as well.
            Self::Java(process) => {
                let seen = process.output().len();
                process.tell(&words.join("\t"));
                let end = process.wait_for_line("\u{1}", seen, PATIENCE);
                let output = process.output();
                let printed = output[seen..].split('\u{1}').next().unwrap_or_default();
                Outcome {
                    // The driver ends it with a line end of its own.
                    printed: printed.strip_suffix('\n').unwrap_or(printed).to_owned(),
                    failed: end.contains("failed"),
                    ..Outcome::default()
                }
            }
            Self::Ours(folder, columns) => {
                let until = (words[0] == "UNTIL").then(|| &words[1]);
                let words = words.iter().map(String::as_str);
                let words = words.skip(if until.is_some() { 2 } else { 0 });
                let mut command = mq::command(["mqadmin"].into_iter().chain(words));
                command.env("TZ", "UTC").current_dir(&*folder);
                command.env("MQADMIN_VERSION", columns);
                if let Some(text) = until {
                    let output = folder.join(format!("until-{text}"));
                    let mut process = Process::spawn(&mut command, &output);
                    process.wait_for_line(text, 0, PATIENCE);
                    process.kill();
                    return Outcome {
                        printed: process.output(),
                        ..Outcome::default()
                    };
                }
                let output = command.output().expect("mq can be started");
                Outcome {
                    printed: String::from_utf8_lossy(&output.stdout).into_owned(),
                    failed: !output.status.success(),
                    complaint: String::from_utf8_lossy(&output.stderr).into_owned(),
                }
            }
        }
    }
}

/// Apache's tool, run by the driver beside this file.
fn java(version: &str, home: &Path) -> Command {
    let conf = home.join("conf");
    fs::create_dir_all(&conf).expect("the test's own folder");
    // 4.x looks for it there and does not start without it; 5.x is pointed to it, and prints what it reads otherwise.
    let logback = "<configuration><root level=\"OFF\"/></configuration>";
    let file = conf.join("logback_tools.xml");
    fs::write(&file, logback).expect("the test's own folder");
    let mut command = client_programs::java_command(home);
    command.arg("-Duser.timezone=UTC");
    command.arg(format!("-Drocketmq.home.dir={}", home.display()));
    command.arg(format!(
        "-Drmq.logback.configurationFile={}",
        file.display()
    ));
    let lib = client_programs::built(&format!("apache-{version}/lib")).join("*");
    command.arg("-cp").arg(lib);
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("interop/mqadmin/Mqadmin.java"));
    // Some verbs write files where they run.
    command.env_remove("NAMESRV_ADDR").current_dir(home);
    command
}

/// What verbs read from files.
fn write_lists(folder: &Path) {
    let topics = json!([
        {"topicName": "listed-1", "readQueueNums": 1, "writeQueueNums": 1, "perm": 6, "topicFilterType": "SINGLE_TAG",
         "topicSysFlag": 0, "order": false, "attributes": {}},
    ]);
    let groups = json!([{"groupName": "listed-group", "consumeEnable": true, "retryMaxTimes": 3}]);
    fs::create_dir_all(folder).expect("the test's own folder");
    for (name, list) in [("topics.json", topics), ("groups.json", groups)] {
        fs::write(folder.join(name), list.to_string()).expect("the test's own folder");
    }
}

/// All steps on a fresh cluster of this maker.
fn run_all(release: Release, maker: Maker, with_java: bool) -> Vec<Outcome> {
    let namesrv = Namesrv::start(maker);
    let config = BrokerConfig::new(maker, "broker-a", &[&namesrv]).set("traceTopicEnable", "true");
    let config = match maker {
        // Where it keeps users and what they may do; it asks for neither.
        Maker::Apache("5.3.3") => config
            .set(
                "authenticationMetadataProvider",
                "org.apache.rocketmq.auth.authentication.provider.LocalAuthenticationMetadataProvider",
            )
            .set(
                "authorizationMetadataProvider",
                "org.apache.rocketmq.auth.authorization.provider.LocalAuthorizationMetadataProvider",
            ),
        _ => config,
    };
    let broker = config.start();
    let home = Folder::new();
    let mut tool = if with_java {
        Tool::java(release.version, home.path())
    } else {
        Tool::Ours(home.path().to_owned(), release.columns)
    };
    write_lists(&home.join("export"));
    let mut consumer = None;
    let mut names = BTreeMap::from([
        ("NAMESRV", namesrv.address()),
        ("BROKER", format!("127.0.0.1:{}", broker.config.port)),
        ("FOLDER", home.join("export").display().to_string()),
    ]);
    let mut outcomes = Vec::new();
    for (_, line) in release.steps() {
        let mut line = (*line).to_owned();
        for (name, value) in &names {
            line = line.replace(name, value);
        }
        let mut words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        let outcome = match words[0].as_str() {
            "START-CONSUMER" => {
                consumer = Some(start_consumer(
                    maker,
                    &namesrv.address(),
                    &words[1],
                    &words[2],
                    home.path(),
                ));
                None
            }
            "STOP-CONSUMER" => {
                let mut running: Process = consumer.take().expect("it was started");
                running.terminate();
                running.wait(PATIENCE);
                None
            }
            _ => {
                words.extend(["-n".to_owned(), namesrv.address()]);
                Some(tool.run(&words))
            }
        };
        let mut outcome = outcome.unwrap_or_default();
        let found = |pattern: &str| {
            let captures = Regex::new(pattern).expect("our own pattern");
            captures
                .captures(&outcome.printed)
                .map(|found| found[1].to_owned())
        };
        for (name, pattern) in [
            ("OFFSET_ID", r"OffsetID: +(\w+)"),
            ("UNIQUE_KEY", r"UNIQ_KEY=(\w+)"),
            ("CLIENT_ID", r"(?m)^([\d.]+@\S+)"),
        ] {
            if let Some(id) = found(pattern) {
                names.entry(name).or_insert(id);
            }
        }
        if let Some(file) = found(r"export (\S+) success") {
            outcome.printed += &in_order(&fs::read(file).expect("what was exported"));
        }
        outcomes.push(outcome);
    }
    outcomes
}

/// A JSON file line by line, with its fields in the order of their names.
fn in_order(file: &[u8]) -> String {
    let value: serde_json::Value = serde_json::from_slice(file).expect("JSON was exported");
    format!("\n{value:#}")
}

/// A member of the group that reads the topic and what comes again, has consumed what there is, and said so to the broker.
fn start_consumer(maker: Maker, namesrv: &str, topic: &str, group: &str, home: &Path) -> Process {
    let words = [
        "consume", topic, "--group", group, "--from", "first", "--follow", "-o", "jsonl", "-n",
        namesrv,
    ];
    let output = home.join("consumer.out");
    let process = Process::spawn(&mut mq::command(words), &output);
    let rows = |words: &[&str]| -> Option<Vec<serde_json::Value>> {
        let more = ["-o", "json", "-n", namesrv];
        let output = mq::command(words.iter().chain(&more).copied())
            .output()
            .ok()?;
        serde_json::from_slice(&output.stdout).ok()
    };
    let retry = format!("%RETRY%{group}");
    // Asked where an empty queue begins, brokers of 5.3.3 do not know, so that its reader commits that.
    let committed = match maker {
        Maker::Apache("5.3.3") => vec![topic, &retry],
        _ => vec![topic],
    };
    mq_tests::wait::until("the group to have committed all", PATIENCE, || {
        let lag = rows(&["group", "lag", group])?;
        let consumed = |topic: &&str| {
            let mut rows = lag.iter().filter(|row| row["topic"] == **topic);
            rows.any(|row| row["lag"] == 0 && row["members"] == 1)
        };
        let members = rows(&["group", "members", group])?;
        let client = members.first()?["client"].as_str()?;
        let queues = rows(&["client", "show", client])?;
        let owned = |topic: &str| queues.iter().any(|queue| queue["topic"] == topic);
        (committed.iter().all(consumed) && owned(topic) && owned(&retry)).then_some(())
    });
    process
}

/// Puts the same words in the place of what differs from run to run.
fn masked(printed: &str, compare: Compare) -> String {
    static PATTERNS: OnceLock<Vec<(Regex, &'static str)>> = OnceLock::new();
    let patterns = PATTERNS.get_or_init(|| {
        [
            // Columns that are padded behind what differs.
            (r"\b(\d{1,3}\.){3}\d{1,3}(:\d+)?(@\S+)? *", "ADDRESS "),
            (r"\b[0-9A-F]{32,}\b *", "ID "),
            (r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(,\d{3})?", "TIME"),
            // Not the digits behind a decimal point.
            (r"(^|[^.\w])1[0-9]{12}\b", "${1}MS"),
            (r"/\S*/(export|msgbodys)/\S*", "FILE"),
            (r"/\S*/mq-test-\w+", "FOLDER"),
            (r"\bV\d_\d_\d\w* *", "VERSION "),
            (r"storeSize=\d+", "storeSize=N"),
            (
                r"(bodyCRC|commitLogOffset|physicOffset|physicSize)=\d+",
                "$1=N",
            ),
            (r"(CommitLog Offset: +)\d+", "${1}N"),
            (r"\b\d+ms *", "Nms "),
            (r"(Consume TPS: )[0-9.]+", "${1}N"),
            // Ours with a trace topic marks messages, without which consumers of 5.x do not trace.
            (r"(TRACE_ON=true|MSG_REGION=DefaultRegion), ", ""),
            // Brokers of 5.x store this, those of 4.9 and ours do not.
            (r"WAIT=true, ", ""),
        ]
        .map(|(pattern, word)| (Regex::new(pattern).expect("our own pattern"), word))
        .to_vec()
    });
    let mut text = printed.to_owned();
    for (pattern, word) in patterns {
        text = pattern.replace_all(&text, *word).into_owned();
    }
    // A client of Apache's tool that lives long enough tells the broker of itself.
    let of_the_tool =
        |line: &&str| line.contains("TOOLS_CONSUMER") || line.contains("CLIENT_INNER_PRODUCER");
    let lines = text
        .lines()
        .map(str::trim_end)
        .filter(|line| !of_the_tool(line));
    let lines: Vec<&str> = lines.collect();
    match compare {
        Exactly => lines.join("\n"),
        Sorted => {
            let sorted: BTreeSet<&str> = lines.into_iter().collect();
            sorted.into_iter().collect::<Vec<_>>().join("\n")
        }
        Names => {
            let names: BTreeSet<&str> = lines
                .into_iter()
                .map(|line| line.split([':', '=']).next().unwrap_or_default().trim())
                .collect();
            names.into_iter().collect::<Vec<_>>().join("\n")
        }
        Measured => {
            let digits = Regex::new(r" *[0-9][0-9.]* *").expect("our own pattern");
            digits.replace_all(&lines.join("\n"), " N ").into_owned()
        }
    }
}

/// What a cell may say instead of a reason: it prints what Apache's tool prints on Apache's servers, or on ours.
const CHECKED: [&str; 2] = ["same", AS_JAVA];
const AS_JAVA: &str = "as Apache's tool";

/// The table of a release: verb → cells.
fn table(release: &Release) -> BTreeMap<String, Vec<String>> {
    let title = format!("{}, measured by {}\n", release.columns, release.version);
    let part = include_str!("mqadmin/table.md")
        .split("\n## ")
        .find_map(|part| part.strip_prefix(&title));
    part.unwrap_or_else(|| panic!("a part '{title}'"))
        .lines()
        .filter_map(|line| line.strip_prefix("| `"))
        .map(|line| {
            let (verb, cells) = line.split_once("` |").expect("a verb in backticks");
            let cells = cells.trim_end_matches('|').split('|');
            (
                verb.to_owned(),
                cells.map(|cell| cell.trim().to_owned()).collect(),
            )
        })
        .collect()
}

#[test]
fn both_directions_print_the_same_as_4() {
    compare(RELEASES[0]);
}

#[test]
fn both_directions_print_the_same_as_5() {
    compare(RELEASES[1]);
}

fn compare(release: Release) {
    let apache = Maker::Apache(release.version);
    let runs = [
        (apache, true),
        (Maker::Mq, true),
        (apache, false),
        (Maker::Mq, false),
    ];
    let mut outcomes = thread::scope(|scope| {
        let running: Vec<_> = runs
            .map(|(maker, with_java)| scope.spawn(move || run_all(release, maker, with_java)))
            .into_iter()
            .collect();
        let ended = running
            .into_iter()
            .map(|run| run.join().expect("a run to its end"));
        ended.collect::<Vec<_>>().into_iter()
    });
    let expected = outcomes.next().expect("four runs");
    let outcomes: Vec<_> = outcomes.collect();
    let table = table(&release);
    let mut wrong = Vec::new();
    // Whether a verb differs in a column that gives a reason, in any of its steps.
    let mut reasons: BTreeMap<(&str, usize), bool> = BTreeMap::new();
    for (column, (name, run)) in ["Java on ours", "drop-in on Apache's", "drop-in on ours"]
        .iter()
        .zip(&outcomes)
        .enumerate()
    {
        for (step, (compare, line)) in release.steps().enumerate() {
            let verb = verb_of(line);
            if verb.ends_with("CONSUMER") {
                continue;
            }
            let cells = table
                .get(verb)
                .unwrap_or_else(|| panic!("{verb} is not in the table"));
            let (measure, expected) = match &*cells[column] {
                AS_JAVA => ("our servers", &outcomes[0][step]),
                _ => ("Apache's servers", &expected[step]),
            };
            let found = &run[step];
            let wanted = masked(&expected.printed, *compare);
            let got = masked(&found.printed, *compare);
            let differs = wanted != got || expected.failed != found.failed;
            if !CHECKED.contains(&&*cells[column]) {
                *reasons.entry((verb, column)).or_insert(false) |= differs;
            } else if differs {
                wrong.push(format!(
                    "{name}: {line}\n--- Apache's tool on {measure} (failed: {})\n{wanted}\n--- here (failed: {})\n{got}\n{}\n",
                    expected.failed, found.failed, found.complaint
                ));
            }
        }
    }
    for ((verb, column), differs) in reasons {
        if !differs {
            let cell = &table[verb][column];
            wrong.push(format!("{verb}: the same now, and no longer '{cell}'"));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} differ:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

/// Verb → letter or long name → whether it takes a value, of Apache's tool.
fn options_of_apache(version: &str) -> BTreeMap<String, Vec<(String, String, bool)>> {
    let home = Folder::new();
    let output = java(version, home.path())
        .arg("options")
        .output()
        .expect("java can be started");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut verbs: BTreeMap<String, Vec<(String, String, bool)>> = BTreeMap::new();
    for line in text.lines().filter_map(|line| line.strip_prefix('\u{1}')) {
        let fields: Vec<&str> = line.split('\t').collect();
        let options = verbs.entry(fields[0].to_owned()).or_default();
        if !fields[1].is_empty() || !fields[2].is_empty() {
            options.push((
                fields[1].to_owned(),
                fields[2].to_owned(),
                fields[3] == "true",
            ));
        }
    }
    assert!(
        verbs.len() > 50,
        "{text}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    verbs
}

#[test]
fn no_verb_and_no_option_is_missing() {
    let mut missing = Vec::new();
    for release in RELEASES {
        let Release {
            version, columns, ..
        } = release;
        let table = table(&release);
        let run: BTreeSet<&str> = release.steps().map(|(_, line)| verb_of(line)).collect();
        for (verb, options) in options_of_apache(version) {
            if !table.contains_key(&verb) {
                missing.push(format!("{verb} of {version} is not in the table"));
            }
            if !run.contains(verb.as_str()) {
                missing.push(format!("{verb} of {version} is not run"));
            }
            let output = mq::command(["mqadmin", "help", &verb])
                .env("MQADMIN_VERSION", columns)
                .output()
                .expect("mq can be started");
            let help = String::from_utf8_lossy(&output.stdout).into_owned();
            for (letter, name, takes_value) in options {
                let value = if takes_value { " <arg>" } else { "" };
                let found = help.lines().any(|line| {
                    let line = line.trim_start().replace("  <arg>", " <arg>");
                    let head = line
                        .split("   ")
                        .next()
                        .unwrap_or_default()
                        .trim_end()
                        .to_owned();
                    head == format!("-{letter},--{name}{value}")
                        || head == format!("--{name}{value}")
                });
                if !found {
                    missing.push(format!("{verb} of {version}: -{letter} --{name}{value}"));
                }
            }
        }
    }
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}
