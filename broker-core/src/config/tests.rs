use super::*;

fn environment() -> Environment {
    Environment {
        namesrv_addr: Some("ns:9876".to_owned()),
        home: "/home/me".into(),
        host_name: "host".to_owned(),
        local_address: [10, 0, 0, 7].into(),
    }
}

fn from_file(text: &str) -> Result<(BrokerConfig, Vec<ConfigWarning>), Vec<ConfigError>> {
    let entries = properties::parse(text).unwrap();
    BrokerConfig::from_properties(Some(("broker.conf", &entries)), &[], &environment())
}

#[test]
fn the_command_line_wins_over_the_file_and_the_file_over_the_environment() {
    let entries = properties::parse("namesrvAddr=a:1;b:2\nbrokerName=from-file\n").unwrap();
    let command_line = [("brokerName", "from-line")];
    let (config, warnings) = BrokerConfig::from_properties(
        Some(("broker.conf", &entries)),
        &command_line,
        &environment(),
    )
    .unwrap();
    assert!(warnings.is_empty());
    assert_eq!(config.namesrv_addr, ["a:1", "b:2"]);
    assert_eq!(config.broker_name, "from-line");
    assert_eq!(config.broker_ip1, "10.0.0.7");
    assert_eq!(config.origin("brokerName"), Origin::CommandLine);
    assert_eq!(config.origin("namesrvAddr").to_string(), "broker.conf:1");
    assert_eq!(config.origin("listenPort"), Origin::Default);
    assert_eq!(config.broker_address(10_911), "10.0.0.7:10911");
}

#[test]
fn every_value_reads_back_as_it_is_shown() {
    let (config, _) =
        from_file("flushDiskType=SYNC_FLUSH\nmessageDelayLevel=1s 2m 3h 4d\ndeleteWhen=04;16\n")
            .unwrap();
    let (again, _) = from_file(&config.to_properties()).unwrap();
    for (before, after) in config.effective().iter().zip(again.effective()) {
        assert_eq!(before.value, after.value, "{}", before.key);
    }
}

#[test]
fn what_cannot_be_done_is_refused_with_its_place() {
    for (text, problem) in [
        ("listenPort=x", "must be a whole number between 0 and 65535"),
        ("listenPort=2", "must be between 3 and 65534"),
        ("brokerRole=SLAVE", "is not supported yet"),
        (
            "aclEnable=true",
            "is not supported yet: everybody would be let in",
        ),
        ("autoCreateTopicEnable=yes", "must be true or false"),
        (
            "messageDelayLevel=1s 5x",
            "must be 1 to 256 times with unit",
        ),
        ("msgTraceTopicName=a/b", "illegal characters"),
        (
            "diskSpaceCleanForciblyRatio=95",
            "must not exceed diskSpaceWarningLevelRatio",
        ),
    ] {
        let errors = from_file(&format!("# comment\n{text}\n")).unwrap_err();
        let shown: Vec<String> = errors.iter().map(ToString::to_string).collect();
        assert_eq!(shown.len(), 1, "{text}: {shown:?}");
        assert!(
            shown[0].starts_with("broker.conf:2: ") && shown[0].contains(problem),
            "{shown:?}"
        );
    }
}

#[test]
fn what_does_nothing_is_named() {
    for (text, problem) in [
        (
            "sendMessageThreadPoolNums=16",
            Some("has no effect: mq has no such thread pool"),
        ),
        ("brokerNme=a", Some("did you mean brokerName?")),
        ("brokerId=1", Some("is taken as 0")),
        (
            "storePathRootDir=/s\nstorePathIndex=/elsewhere",
            Some("the place follows from storePathRootDir"),
        ),
        ("storePathRootDir=/s\nstorePathIndex=/s/x/../index", None),
        (
            "brokerName=a\nbrokerName=b",
            Some("is set in line 1 as well"),
        ),
        ("aclEnable=false", None),
    ] {
        let (_, warnings) = from_file(text).unwrap();
        let shown: Vec<String> = warnings.iter().map(ToString::to_string).collect();
        match problem {
            Some(problem) => assert!(
                shown.len() == 1 && shown[0].contains(problem),
                "{text}: {shown:?}"
            ),
            None => assert!(shown.is_empty(), "{text}: {shown:?}"),
        }
    }
}

#[test]
fn a_running_broker_takes_all_of_a_change_or_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("broker.conf");
    std::fs::write(&file, "# mine\nbrokerPermission = 6\nunknown=1\n").unwrap();
    let live = LiveConfig::new(from_file("").unwrap().0, Some(file.clone()));
    assert!(
        matches!(live.change("brokerPermission=4\nlistenPort=1"), Err(UpdateError::Refused(key)) if key == "listenPort")
    );
    assert!(matches!(
        live.change("brokerPermission=4\nx=1"),
        Err(UpdateError::Invalid(_))
    ));
    assert_eq!(live.current().broker_permission, 6);
    live.change("brokerPermission=4\ntraceOn=false").unwrap();
    assert!(!live.current().is_writable() && live.current().is_readable());
    assert_eq!(live.current().origin("traceOn"), Origin::Remote);
    let text = std::fs::read_to_string(&file).unwrap();
    assert_eq!(
        text,
        "# mine\nbrokerPermission=4\nunknown=1\ntraceOn=false\n"
    );
}
