use super::*;
use std::collections::BTreeSet;

const DOCUMENTED: &str = include_str!("../../../deploy/weblive.toml");

fn load_from(
    flags: &[&str],
    env: &[(&str, &str)],
    file: Option<&str>,
) -> Result<Loaded, LoadError> {
    let mut arguments: Vec<OsString> = vec!["weblive".into()];
    if file.is_some() {
        arguments.extend(["--config".into(), "test.toml".into()]);
    }
    arguments.extend(flags.iter().map(OsString::from));
    let env = env.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
    load(arguments, env, |path| match file {
        Some(text) if path == Path::new("test.toml") => Ok(text.to_owned()),
        _ => Err(std::io::ErrorKind::NotFound.into()),
    })
}

fn errors(result: Result<Loaded, LoadError>) -> String {
    match result {
        Err(LoadError::Wrong(errors)) => errors.to_string(),
        other => panic!("expected wrong settings, got {other:?}"),
    }
}

fn flatten(prefix: &str, table: &toml::Table, into: &mut BTreeSet<String>) {
    for (name, value) in table {
        match value {
            toml::Value::Table(inner) => flatten(&format!("{prefix}{name}."), inner, into),
            _ => {
                into.insert(format!("{prefix}{name}"));
            }
        }
    }
}

#[test]
fn the_documented_file_is_the_defaults_and_names_every_key() {
    let settings = Settings::from_toml(Path::new("deploy/weblive.toml"), DOCUMENTED).unwrap();
    assert_eq!(settings, Settings::default());

    let (mut documented, mut in_struct) = (BTreeSet::new(), BTreeSet::new());
    flatten("", &DOCUMENTED.parse().unwrap(), &mut documented);
    flatten(
        "",
        &toml::Table::try_from(Settings::default()).unwrap(),
        &mut in_struct,
    );
    let in_table: BTreeSet<String> = keys().map(|key| key.name.to_owned()).collect();
    assert_eq!(documented, in_struct);
    assert_eq!(in_table, in_struct);
}

#[test]
fn every_key_of_the_documented_file_has_a_comment_with_its_flag_and_variable() {
    for key in keys() {
        assert!(
            DOCUMENTED.contains(&format!("--{}", key.flag())),
            "--{}",
            key.flag()
        );
        assert!(DOCUMENTED.contains(&key.variable()), "{}", key.variable());
    }
}

#[test]
fn settings_written_out_read_back_the_same() {
    let mut settings = Settings::default();
    settings.media.announce = vec!["203.0.113.7".parse().unwrap()];
    settings.media.bind = MediaBind::Address("10.0.0.1".parse().unwrap());
    settings.log.format = LogFormat::Json;
    settings.ice_servers = vec![IceServer {
        urls: vec!["turn:a.example".to_owned()],
        username: "u".to_owned(),
        credential: "c".to_owned(),
        ..IceServer::default()
    }];
    settings.ice_servers.push(IceServer {
        urls: vec!["turns:b.example".to_owned()],
        secret: Some("north".parse().unwrap()),
        lifetime: Duration::from_secs(90),
        ..IceServer::default()
    });
    settings.apps = apps::apps(Raw::Text(
        "[{ id = 7, keys = [\"a\", \"b\"], play_url_key = \"c\", play_url_window = \"90s\" },
          { id = 8, keys = [\"d\"], push_url_key = \"e\", require_private_map_key = true,
            admins = [\"root\"], webhook_url = \"https://a.example/h\", webhook_key = \"f\",
            cdn_webhook_key = \"g\", webhook_before_chat = true }]",
    ))
    .unwrap();
    settings.relay.mode = crate::live::broadcasts::RelayMode::Named;
    settings.edge.origin = Some("https://origin.example/x".parse().unwrap());
    settings.edge.origin_key = Some("west".parse().unwrap());
    settings.chat.mask_words = vec!["/etc/words".into(), "more.txt".into()];
    settings.chat.messages_per_second = 7;
    settings.chat.likes_interval = Duration::from_secs(2);
    settings.rooms.resume_grace = Duration::from_millis(1_500);
    settings.api.tokens = vec!["0123456789abcdef".parse().unwrap()];
    let text = toml::to_string(&settings).unwrap();
    assert_eq!(Settings::from_toml(Path::new("x"), &text), Ok(settings));
}

#[test]
fn an_edge_is_told_its_origin_and_takes_every_setting_on_either_side() {
    let arguments = [
        "--relay-window",
        "7",
        "edge",
        "--origin",
        "http://a.example",
        "--edge-linger",
        "5s",
    ];
    let loaded = load_from(&arguments, &[], None).unwrap();
    assert_eq!(loaded.task, Task::Edge);
    let (edge, relay) = (loaded.settings.edge, loaded.settings.relay);
    assert_eq!(edge.origin.unwrap().to_string(), "http://a.example");
    assert_eq!((edge.linger, relay.window), (Duration::from_secs(5), 7));
    let file = Some("edge.origin = \"http://b.example\"");
    let loaded = load_from(&["edge"], &[], file).unwrap();
    assert_eq!(loaded.task, Task::Edge);
    let checked = load_from(&["edge", "--check-config"], &[], file).unwrap();
    assert_eq!(checked.task, Task::Check);
    for arguments in [
        &["edge"][..],
        &["edge", "--check-config"],
        &["--check-config", "edge"],
        &["edge", "--origin", "rtmp://a.example"],
    ] {
        let refused = load_from(arguments, &[], None);
        assert!(matches!(refused, Err(LoadError::Wrong(_))), "{arguments:?}");
    }
    // A server that is none needs no origin.
    assert_eq!(load_from(&[], &[], file).unwrap().task, Task::Serve);
    let check = load_from(&["--check-config"], &[], None).unwrap();
    assert_eq!(check.task, Task::Check);
}

#[test]
fn an_edge_keeps_a_stream_for_longer_than_players_stay_away() {
    let linger = |linger: &str, segment: &str| {
        let flags = ["--edge-linger", linger, "--relay-segment-duration", segment];
        load_from(&flags, &[], None).map(|loaded| loaded.settings.edge.linger)
    };
    assert_eq!(linger("2s", "1s").unwrap(), Duration::from_secs(2));
    assert_eq!(linger("20s", "10s").unwrap(), Duration::from_secs(20));
    let single = errors(load_from(&["--edge-linger", "0s"], &[], None));
    assert!(
        single.contains("edge-linger") && single.contains("\"2s\""),
        "{single}"
    );
    let both = ["--edge-linger", "19s", "--relay-segment-duration", "10s"];
    let relation = errors(load_from(&both, &[], None));
    assert!(relation.contains("edge.linger"), "{relation}");
    assert!(relation.contains("at least 20s"), "{relation}");
}

#[test]
fn flags_win_over_environment_and_environment_over_file() {
    let file = Some("media.port = 1\nmedia.workers = 1\nrelay.window = 11");
    let env = [("WEBLIVE_MEDIA_PORT", "2"), ("WEBLIVE_WORKERS", "2")];
    let loaded = load_from(&["--media-port", "3"], &env, file)
        .unwrap()
        .settings;
    assert_eq!(
        (loaded.media.port, loaded.media.workers, loaded.relay.window),
        (3, 2, 11)
    );
}

#[test]
fn a_wrong_value_names_key_value_source_and_what_is_allowed() {
    let text = errors(load_from(
        &["--workers", "many"],
        &[("WEBLIVE_RELAY_LINGER", "soon")],
        Some("[media]\nport = 99999"),
    ));
    for part in [
        "`media.port` cannot be 99999 (in test.toml): allowed is a whole number from 0 to 65535",
        "`relay.linger` cannot be \"soon\" (from the environment variable WEBLIVE_RELAY_LINGER): allowed is a duration from \"0s\" to \"10m\"",
        "`media.workers` cannot be \"many\" (from the flag --workers): allowed is a whole number from 0 to 256",
    ] {
        assert!(text.contains(part), "{part}\nnot in:\n{text}");
    }
}

#[test]
fn every_key_refuses_nonsense_from_every_source() {
    let nonsense = toml::Value::Datetime("1979-05-27".parse().unwrap());
    for key in keys() {
        let mut settings = Settings::default();
        let allowed = (key.set)(&mut settings, Raw::Toml(&nonsense)).unwrap_err();
        assert!(!allowed.is_empty(), "{}", key.name);
        // Any text can be a path.
        if !matches!(key.name, "tls.cert" | "tls.key") {
            assert!(
                (key.set)(&mut settings, Raw::Text("\u{1}?")).is_err(),
                "{}",
                key.name
            );
        }
    }
}

#[test]
fn unknown_keys_are_refused_with_the_nearest_one() {
    let text = errors(load_from(
        &[],
        &[],
        Some("lisen = \"x\"\n[media]\nprot = 1\n[zebra]\na = 1"),
    ));
    assert!(
        text.contains("`lisen` in test.toml: did you mean `listen`?"),
        "{text}"
    );
    assert!(
        text.contains("`media.prot` in test.toml: did you mean `media.port`?"),
        "{text}"
    );
    assert!(
        text.contains("`zebra`") && !text.contains("`zebra` in test.toml: did"),
        "{text}"
    );
}

#[test]
fn a_misspelt_variable_is_refused_and_a_foreign_one_is_left_alone() {
    let text = errors(load_from(&[], &[("WEBLIVE_MEDIA_PROT", "1")], None));
    assert!(
        text.contains("did you mean `WEBLIVE_MEDIA_PORT`?"),
        "{text}"
    );

    let env = [
        ("WEBLIVE_BIN", "x"),
        ("WEBLIVE_SERVICE_HOST", "10.0.0.1"),
        ("WEBLIVE_PORT", "tcp://10.0.0.1:80"),
    ];
    let loaded = load_from(&[], &env, None).unwrap();
    assert_eq!(loaded.warnings.len(), 1);
    assert!(loaded.warnings[0].contains("WEBLIVE_BIN"));
}

#[test]
fn an_unknown_flag_is_a_usage_error() {
    assert!(matches!(
        load_from(&["--media-prot", "1"], &[], None),
        Err(LoadError::Usage(_))
    ));
}

#[test]
fn a_section_that_is_no_table_is_refused() {
    let text = errors(load_from(&[], &[], Some("media = 5")));
    assert!(text.contains("a table [media]"), "{text}");
}

#[test]
fn a_missing_file_and_broken_toml_say_so() {
    let text = errors(load(
        ["weblive", "--config", "/nowhere.toml"].map(OsString::from),
        [],
        |_| Err(std::io::ErrorKind::NotFound.into()),
    ));
    assert!(text.contains("/nowhere.toml"), "{text}");
    let text = errors(load_from(&[], &[], Some("listen = ")));
    assert!(
        text.contains("test.toml is not TOML") && text.contains("line 1"),
        "{text}"
    );
}

#[test]
fn the_file_can_be_named_by_the_environment() {
    let env = [("WEBLIVE_CONFIG".to_owned(), "a.toml".to_owned())];
    let loaded = load([OsString::from("weblive")], env, |path| {
        assert_eq!(path, Path::new("a.toml"));
        Ok("relay.window = 9".to_owned())
    });
    assert_eq!(loaded.unwrap().settings.relay.window, 9);
}

#[test]
fn self_signed_is_a_switch_that_can_be_turned_off() {
    assert!(
        load_from(&["--tls-self-signed"], &[], None)
            .unwrap()
            .settings
            .tls
            .self_signed
    );
    let file = Some("tls.self_signed = true");
    assert!(
        !load_from(&["--tls-self-signed=false"], &[], file)
            .unwrap()
            .settings
            .tls
            .self_signed
    );
}

#[test]
fn a_rate_of_chat_that_nobody_means_is_refused() {
    let text = errors(load_from(
        &["--chat-messages-per-second", "0"],
        &[("WEBLIVE_CHAT_USER_MESSAGE_BURST", "many")],
        Some(
            "chat.likes_interval = \"10ms\"\nchat.user_likes_per_second = 1000000\n\
             chat.user_messages_per_second = \"5\"",
        ),
    ));
    for part in [
        "`chat.messages_per_second` cannot be \"0\" (from the flag --chat-messages-per-second): \
         allowed is a whole number from 1 to 1000",
        "`chat.user_message_burst` cannot be \"many\"",
        "`chat.likes_interval` cannot be \"10ms\" (in test.toml): allowed is a duration from \
         \"500ms\" to \"1m\"",
        "`chat.user_likes_per_second` cannot be 1000000 (in test.toml): allowed is a whole number \
         from 1 to 10000",
        "`chat.user_messages_per_second` cannot be \"5\"",
    ] {
        assert!(text.contains(part), "{part} not in {text}");
    }
    let settings = load_from(&["--chat-user-message-burst", "3"], &[], None).unwrap();
    assert_eq!(settings.settings.chat.limits().user_message_burst, 3);
}

#[test]
fn values_that_fight_are_refused() {
    let text = errors(load_from(&["--tls-cert", "a.pem"], &[], None));
    assert!(text.contains("`tls.key` cannot be empty"), "{text}");
    let text = errors(load_from(
        &["--tls-cert", "a", "--tls-key", "b", "--tls-self-signed"],
        &[],
        None,
    ));
    assert!(text.contains("`tls.self_signed`"), "{text}");
    let text = errors(load_from(
        &["--media-port", "65535", "--workers", "2"],
        &[],
        None,
    ));
    assert!(text.contains("at most 65534"), "{text}");
    let both = ["--announce", "10.0.0.1,::1", "--media-bind", "0.0.0.0"];
    let text = errors(load_from(&both, &[], None));
    assert!(text.contains("same family"), "{text}");
    let same = ["--listen", "127.0.0.1:8001", "--workers", "2"];
    let text = errors(load_from(&same, &[], None));
    assert!(text.contains("from 8000 to 8001"), "{text}");
    let off = [&same[..], &["--media-tcp=false"]].concat();
    assert!(load_from(&off, &[], None).is_ok());
    let text = errors(load_from(&["--chat-history", "300"], &[], None));
    assert!(
        text.contains("`chat.history` cannot be 300: `store.history` keeps 200"),
        "{text}"
    );
    let text = errors(load_from(
        &["--signal-max-waiting-bytes", "65536"],
        &[],
        None,
    ));
    assert!(
        text.contains("`signal.max_waiting_bytes`") && text.contains("196608"),
        "{text}"
    );
}

#[test]
fn a_server_that_others_reach_is_open_only_on_purpose() {
    let app = ("WEBLIVE_APPS", "[{ id = 1, keys = [\"k\"] }]");
    for listen in ["0.0.0.0:80", "[::]:80", "10.0.0.1:80", "[2001:db8::1]:80"] {
        let text = errors(load_from(&["--listen", listen], &[], None));
        for part in [
            "`apps` cannot be empty",
            listen,
            "--insecure-open",
            "loopback",
        ] {
            assert!(text.contains(part), "{part} not in {text}");
        }
        assert!(load_from(&["--listen", listen, "--insecure-open"], &[], None).is_ok());
        assert!(load_from(&["--listen", listen], &[app], None).is_ok());
    }
    for listen in ["127.0.0.1:80", "127.1.2.3:0", "[::1]:80"] {
        assert!(load_from(&["--listen", listen], &[], None).is_ok());
    }
    let text = errors(load_from(&["--insecure-open"], &[app], None));
    assert!(text.contains("`insecure_open` cannot be true"), "{text}");
}

#[test]
fn tokens_are_given_on_a_machine_of_ones_own_or_on_purpose() {
    let app = ("WEBLIVE_APPS", "[{ id = 1, keys = [\"k\"] }]");
    assert!(!Settings::default().dev.tokens);
    assert!(load_from(&["--dev-tokens"], &[app], None).is_ok());
    let text = errors(load_from(&["--dev-tokens"], &[], None));
    assert!(text.contains("`dev.tokens` cannot be true"), "{text}");
    let far = ["--dev-tokens", "--listen", "0.0.0.0:80"];
    let text = errors(load_from(&far, &[app], None));
    for part in ["`dev.tokens` cannot be true", "0.0.0.0:80", "loopback"] {
        assert!(text.contains(part), "{part} not in {text}");
    }
    let meant = [&far[..], &["--insecure-open"]].concat();
    assert!(load_from(&meant, &[app], None).is_ok());
}

#[test]
fn apps_can_stand_in_the_file_as_tables() {
    let file = "[[apps]]\nid = 1\nkeys = [\"a\"]\n[[apps]]\nid = 2\nkeys = [\"b\"]";
    let loaded = load_from(&[], &[], Some(file)).unwrap();
    let ids: Vec<u32> = loaded.settings.apps.iter().map(|app| app.id.0).collect();
    assert_eq!(ids, [1, 2]);
}

#[test]
fn a_token_is_asked_for_with_the_settings_of_the_server() {
    let file = Some("[[apps]]\nid = 1\nkeys = [\"a\"]");
    let request = |flags: &[&str]| {
        let all = [&["usersig", "--app", "1", "--user", "anna"], flags].concat();
        let loaded = load_from(&all, &[], file);
        loaded.map(|loaded| match loaded.task {
            Task::UserSig(request) => (loaded.settings.apps.len(), request),
            other => panic!("{other:?}"),
        })
    };
    let (apps, plain) = request(&[]).unwrap();
    assert_eq!(apps, 1);
    assert_eq!((plain.app.0, plain.user.as_str()), (1, "anna"));
    assert_eq!((plain.room, plain.expires_in), (None, 604_800));
    let room = |flags: &[&str]| request(flags).map(|(_, request)| request.room);
    assert_eq!(
        room(&["--room", "123"]).unwrap(),
        Some(crate::live::RoomId::Number(123))
    );
    for flags in [["--room", "show 1"], ["--room-name", "123"]] {
        assert_eq!(
            room(&flags).unwrap(),
            Some(crate::live::RoomId::name(flags[1]).unwrap())
        );
    }
    let (_, viewer) = request(&["--room=5", "--privileges=42", "--expire=60"]).unwrap();
    assert_eq!((viewer.privileges.0, viewer.expires_in), (42, 60));
    for wrong in [
        &["--room", "0"][..],
        &["--room", "a/b"],
        &["--room", "1", "--room-name", "1"],
        &["--expire", "0"],
        &["--privileges", "256"],
        &["--user", "bert"],
    ] {
        assert!(
            matches!(request(wrong), Err(LoadError::Usage(_))),
            "{wrong:?}"
        );
    }
    let without = load_from(&["usersig", "--app", "1"], &[], file);
    assert!(matches!(without, Err(LoadError::Usage(_))));
}

#[test]
fn the_settings_file_can_be_named_before_and_behind_the_subcommand() {
    let token = ["usersig", "--app", "1", "--user", "u"];
    let config = ["--config", "f.toml"];
    for arguments in [[&token[..], &config], [&config, &token]] {
        let arguments = ["weblive"].iter().chain(arguments.into_iter().flatten());
        let loaded = load(arguments.map(OsString::from), [], |path| {
            assert_eq!(path, Path::new("f.toml"));
            Ok("relay.window = 9".to_owned())
        });
        assert_eq!(loaded.unwrap().settings.relay.window, 9);
    }
}

#[test]
fn secrets_stay_out_of_messages() {
    let text = errors(load_from(
        &[],
        &[(
            "WEBLIVE_ICE_SERVERS",
            "[{ urls = [\"http:x\"], credential = \"hunter2\" }]",
        )],
        None,
    ));
    assert!(!text.contains("hunter2"), "{text}");
    let server = IceServer {
        credential: "hunter2".to_owned(),
        ..IceServer::default()
    };
    assert!(!format!("{server:?}").contains("hunter2"));
    let server = IceServer {
        secret: Some("hunter2".parse().unwrap()),
        ..IceServer::default()
    };
    assert!(!format!("{server:?}").contains("hunter2"));
    assert!(!format!("{:?}", server.told(1, "u")).contains("hunter2"));
    for file in [
        "[[apps]]\nid = 1\nkeys = \"hunter2\"",
        "[[apps]]\nid = 1\nkeys = [\"hunter2\"",
        "[[apps]]\nid = 1\nkeys = [hunter2]",
        "[[apps]]\nid = 1\nkeys = [\"hunter2\"]\nkeys = [\"hunter2\"]",
        "apps = \"hunter2\"",
    ] {
        let text = errors(load_from(&[], &[], Some(file)));
        assert!(!text.contains("hunter2"), "{text}");
    }
    let text = errors(load_from(&[], &[("WEBLIVE_API_TOKENS", "hunter2")], None));
    assert!(
        text.contains("`api.tokens`") && !text.contains("hunter2"),
        "{text}"
    );
    let file = "api.tokens = [\"hunter2hunter2hunter2\"]\n[[apps]]\nid = 1\nkeys = [\"hunter2\"]\n\
        play_url_key = \"hunter2\"\nwebhook_url = \"http://a.example/hunter2\"\nwebhook_key = \"hunter2\"\n\
        cdn_webhook_key = \"hunter2\"";
    let loaded = load_from(&[], &[], Some(file)).unwrap();
    assert!(!format!("{loaded:?}").contains("hunter2"));
}

#[test]
fn time_shift_without_a_folder_has_to_fit_into_memory() {
    let read = |toml: &str| Settings::from_toml(Path::new("x"), toml);
    let shift = |toml: &str| read(toml).expect("settings").time_shift();
    assert_eq!(shift(""), None);
    let usual = shift("relay.time_shift = \"2h\"").expect("time shift");
    assert_eq!(usual.window, Duration::from_secs(7_200));
    let folder = usual.folder.expect("a folder");
    assert_eq!(folder, Path::new("weblive-data/time-shift"));
    let short = "data_dir = \"\"\nrelay.time_shift = \"17m\"";
    assert_eq!(shift(short).expect("time shift").folder, None);
    let long = "data_dir = \"\"\nrelay.time_shift = \"18m\"";
    let told = read(long).expect_err("too long").to_string();
    assert!(
        told.contains("relay.time_shift") && told.contains("270000000"),
        "{told}"
    );
    let more = format!("{long}\nrelay.time_shift_memory_bytes = 270000000");
    assert!(shift(&more).is_some());
    let folder = format!("{long}\nrelay.time_shift_folder = \"/var/shift\"");
    assert!(shift(&folder).is_some_and(|shift| shift.folder.is_some()));
    for wrong in ["3h", "10s", "-1s"] {
        let told = read(&format!("relay.time_shift = \"{wrong}\"")).expect_err(wrong);
        assert!(told.to_string().contains("\"2h\""), "{told}");
    }
}
