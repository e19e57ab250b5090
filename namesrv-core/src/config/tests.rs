use super::*;
use std::fs;

fn owned(overrides: &[(&str, &str)]) -> Vec<(String, String)> {
    overrides
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect()
}

#[test]
fn a_file_and_the_command_line() {
    let text = "# comment\nlistenPort = 9999 \nkvConfigPath=/data/kv.json\norderMessageEnable=TRUE\nclusterTest=false\nbindAddress=::1\n";
    let overrides = owned(&[("listenPort", "0"), ("configBlackList", "a;b")]);
    let (config, warnings) = NamesrvConfig::from_properties(text, "ns.conf", &overrides).unwrap();
    assert_eq!(warnings, []);
    assert_eq!((config.listen_port, config.order_message_enable), (0, true));
    assert_eq!(config.config_store_path, Path::new("ns.conf"));
    assert_eq!(config.config_black_list, ["a", "b"]);
    let all = config.to_properties();
    let (again, warnings) = NamesrvConfig::from_properties(&all, "ns.conf", &[]).unwrap();
    assert_eq!((again, warnings), (config, vec![]));
    assert_eq!(
        NamesrvConfig::from_properties("", "", &[]).unwrap().0,
        NamesrvConfig::default()
    );
}

#[test]
fn what_does_not_act_is_named() {
    let text = "listenport=1\nrocketmqHome=/opt/mq\nclusterTest=true\nbroker=x\nconfigStorePath=/else\norderMessageEnable=true\norderMessageEnable=false";
    let (config, warnings) =
        NamesrvConfig::from_properties(text, "ns.conf", &owned(&[("useTLS", "true")])).unwrap();
    let warnings: Vec<_> = warnings.iter().map(ToString::to_string).collect();
    assert_eq!(
        warnings,
        [
            "ns.conf:7: orderMessageEnable: is set in line 6 as well; this line counts",
            "ns.conf:1: listenport: is not a key of a name server; did you mean listenPort?",
            "ns.conf:2: rocketmqHome: has no effect: nothing is read from an installation folder",
            "ns.conf:3: clusterTest: has no effect: name servers of other environments are not asked",
            "ns.conf:4: broker: is not a key of a name server",
            "command line: useTLS: has no effect: a name server calls nobody",
            "ns.conf:5: configStorePath: has no effect: changes are kept in ns.conf",
        ]
    );
    assert!(!config.order_message_enable);
}

#[test]
fn wrong_values_are_all_found() {
    let text = "listenPort=70000\nbindAddress=here\nkvConfigPath=\nconfigStorePath=/etc/\norderMessageEnable=ture\nserverChannelMaxIdleTimeSeconds=0\n";
    let errors = NamesrvConfig::from_properties(text, "ns.conf", &owned(&[("listenPort", "x")]))
        .unwrap_err();
    let errors: Vec<_> = errors.iter().map(ToString::to_string).collect();
    assert_eq!(
        errors,
        [
            "ns.conf:1: listenPort=70000: must be a whole number between 0 and 65535",
            "ns.conf:2: bindAddress=here: must be an IP address, such as 0.0.0.0 or 127.0.0.1",
            "ns.conf:3: kvConfigPath=: must be a path",
            "ns.conf:4: configStorePath=/etc/: must name a file",
            "ns.conf:5: orderMessageEnable=ture: must be true or false",
            "ns.conf:6: serverChannelMaxIdleTimeSeconds=0: must be a whole number between 1 and 4294967295",
            "command line: listenPort=x: must be a whole number between 0 and 65535",
        ]
    );
    let syntax = NamesrvConfig::from_properties("a=1\nb=\\u12", "ns.conf", &[]).unwrap_err();
    assert_eq!(
        syntax[0].to_string(),
        "ns.conf:2: malformed \\u escape: it must have four hexadecimal digits"
    );
}

#[test]
fn updates_are_saved_or_not_made() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ns.conf");
    let name = path.display().to_string();
    let text = "# mine\nlistenPort=0\norderMessageEnable=\\\n  false\nother=1";
    fs::write(&path, text).unwrap();
    let (config, _) = NamesrvConfig::from_properties(text, &name, &[]).unwrap();
    let update = |text: &str| config.updated(&properties::parse(text).unwrap());
    for (changes, problem) in [
        (
            "orderMessageEnable=true\nkvConfigPath=/x",
            "Can not update config in black list.",
        ),
        (
            "listenPort=1",
            "listenPort cannot be changed over the network: set it in the name server's file and restart it",
        ),
        (
            "orderMessageEnable=yes",
            "orderMessageEnable=yes: must be true or false",
        ),
        ("nonsense=1", "nonsense: is not a key of a name server"),
        (
            "clusterTest=true",
            "clusterTest: has no effect: name servers of other environments are not asked",
        ),
    ] {
        assert_eq!(update(changes).unwrap_err().to_string(), problem);
    }
    // What is done anyway may be asked for.
    assert_eq!(update("clusterTest=false").unwrap(), config);
    assert_eq!(fs::read_to_string(&path).unwrap(), text);

    let updated = update("orderMessageEnable=true").unwrap();
    assert!(updated.order_message_enable);
    let saved = fs::read_to_string(&path).unwrap();
    assert_eq!(
        saved,
        "# mine\nlistenPort=0\norderMessageEnable=true\nother=1\n"
    );
    let (restarted, _) = NamesrvConfig::from_properties(&saved, &name, &[]).unwrap();
    assert_eq!(restarted, updated);
}
