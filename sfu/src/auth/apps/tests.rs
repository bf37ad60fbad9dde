use super::*;

const NOW: u64 = 1_700_000_000;
const HOUR: u64 = 3_600;

fn app(id: u32, keys: &[&str]) -> App {
    App {
        id: AppId(id),
        keys: keys.iter().map(|key| key.parse().unwrap()).collect(),
        ..App::default()
    }
}

fn user(text: &str) -> UserId {
    text.parse().unwrap()
}

fn label<T>(result: Result<T, TokenError>) -> Result<T, &'static str> {
    result.map_err(|error| error.label())
}

#[test]
fn app_and_user_are_read_from_the_token_and_then_verified() {
    let apps = Apps::new([app(1, &["one"]), app(2, &["two"])]);
    let token = apps
        .sign_user_sig(NOW, AppId(2), &user("anna"), HOUR)
        .unwrap();
    let claims = apps.authenticate(NOW, &token).unwrap();
    assert_eq!((claims.app, claims.user), (AppId(2), user("anna")));

    // Signed with the key of another app.
    let forged = Apps::new([app(2, &["one"])])
        .sign_user_sig(NOW, AppId(2), &user("anna"), HOUR)
        .unwrap();
    assert_eq!(label(apps.authenticate(NOW, &forged)), Err("signature"));
    let foreign = Apps::new([app(3, &["one"])])
        .sign_user_sig(NOW, AppId(3), &user("anna"), HOUR)
        .unwrap();
    assert_eq!(label(apps.authenticate(NOW, &foreign)), Err("unknown_app"));
}

#[test]
fn a_token_is_for_the_user_and_app_that_the_client_names() {
    let apps = Apps::new([app(1, &["one"]), app(2, &["two"])]);
    let token = apps
        .sign_user_sig(NOW, AppId(1), &user("anna"), HOUR)
        .unwrap();
    let check =
        |id, name: &str, now| label(apps.check_user_sig(now, AppId(id), &user(name), &token));
    let admission = Admission {
        app: AppId(1),
        until: NOW + HOUR,
    };
    assert_eq!(check(1, "anna", NOW), Ok(admission));
    assert_eq!(check(2, "anna", NOW), Err("other_app"));
    assert_eq!(check(1, "Anna", NOW), Err("other_user"));
    assert_eq!(check(1, "anna", NOW + HOUR), Err("expired"));
    assert_eq!(check(1, "anna", NOW - HOUR), Err("future_dated"));
}

#[test]
fn keys_are_changed_without_a_gap() {
    let old = Apps::new([app(1, &["old"])]);
    let both = Apps::new([app(1, &["new", "old"])]);
    let new = Apps::new([app(1, &["new"])]);
    let token = |apps: &Apps| {
        apps.sign_user_sig(NOW, AppId(1), &user("anna"), HOUR)
            .unwrap()
    };
    assert!(both.authenticate(NOW, &token(&old)).is_ok());
    assert!(new.authenticate(NOW, &token(&both)).is_ok());
    assert!(new.authenticate(NOW, &token(&old)).is_err());
}

#[test]
fn an_open_server_takes_anybody_as_app_0() {
    let apps = Apps::default();
    assert!(apps.is_open());
    let admission = apps.check_user_sig(NOW, AppId(7), &user("anna"), "");
    assert_eq!(admission, Ok(Admission::for_ever(Apps::OPEN)));
    let room = RoomId::Number(1);
    let all = apps.check_private_map_key(NOW, Apps::OPEN, &user("anna"), &room, None);
    assert_eq!(all, Ok(Privileges::ALL));
    assert_eq!(apps.check_play(NOW, "a", None, None), Ok(None));
    assert!(apps.authenticate(NOW, "").is_err());
}

#[test]
fn a_ticket_is_looked_at_only_where_it_is_required() {
    let strict = App {
        require_private_map_key: true,
        ..app(1, &["one"])
    };
    let apps = Apps::new([strict, app(2, &["two"])]);
    let (anna, room) = (user("anna"), RoomId::Number(10));
    let ticket = apps
        .sign_private_map_key(NOW, AppId(1), &anna, &room, Privileges::AUDIENCE, HOUR)
        .unwrap();
    let check = |id, who: &UserId, room: &RoomId, now, ticket: Option<&str>| {
        apps.check_private_map_key(now, AppId(id), who, room, ticket)
            .map_err(|error| error.label())
    };
    assert_eq!(
        check(1, &anna, &room, NOW, Some(&ticket)),
        Ok(Privileges::AUDIENCE)
    );
    for missing in [None, Some("")] {
        assert_eq!(check(1, &anna, &room, NOW, missing), Err("map_key_missing"));
        assert_eq!(check(2, &anna, &room, NOW, missing), Ok(Privileges::ALL));
    }
    assert_eq!(
        check(1, &user("bert"), &room, NOW, Some(&ticket)),
        Err("other_user")
    );
    assert_eq!(
        check(1, &anna, &RoomId::Number(11), NOW, Some(&ticket)),
        Err("map_key_other_room")
    );
    assert_eq!(
        check(1, &anna, &room, NOW + HOUR, Some(&ticket)),
        Err("expired")
    );
    let plain = apps.sign_user_sig(NOW, AppId(1), &anna, HOUR).unwrap();
    assert_eq!(
        check(1, &anna, &room, NOW, Some(&plain)),
        Err("map_key_no_userbuf")
    );
    assert_eq!(check(1, &anna, &room, NOW, Some("x")), Err("base64"));
}

/// The token of the vendor's library, rebuilt from its parts: its armour holds no surprise
/// beyond that of the UserSig.
#[test]
fn the_signatures_of_private_map_keys_are_the_vendors() {
    let key = "5bd2850fff3ecb11d7c805251c51ee463a25727bddc2385f3fa8bfee1bb93b5e";
    let strict = App {
        require_private_map_key: true,
        ..app(1_400_000_000, &[key])
    };
    let apps = Apps::new([strict]);
    for (room, sig) in [
        (
            RoomId::number(10_000).unwrap(),
            "y9Avb5xwHgIgoABbGakLaE0xs+v/dLcIPegbWfcbRLI=",
        ),
        (
            RoomId::name("1000000040").unwrap(),
            "uupaOmIqiVUsVoCDvmakmGU86GEQBV0Ie6Q+9GFbowM=",
        ),
    ] {
        let id = AppId(1_400_000_000);
        let xiaojun = user("xiaojun");
        let token = apps
            .sign_private_map_key(NOW, id, &xiaojun, &room, Privileges::ALL, 15_552_000)
            .unwrap();
        let envelope = crate::auth::envelope::Envelope::read(&token).unwrap();
        let ours = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, envelope.tag);
        assert_eq!(ours, sig);
        assert_eq!(
            apps.check_private_map_key(NOW, id, &xiaojun, &room, Some(&token)),
            Ok(Privileges::ALL)
        );
    }
}

#[test]
fn an_end_behind_the_format_is_its_last_second() {
    let apps = Apps::new([App {
        require_private_map_key: true,
        ..app(1, &["one"])
    }]);
    let (anna, room) = (user("anna"), RoomId::Number(1));
    let ticket = apps
        .sign_private_map_key(NOW, AppId(1), &anna, &room, Privileges::ALL, u64::MAX)
        .unwrap();
    let last = u64::from(u32::MAX) - 1;
    let check = |now| apps.check_private_map_key(now, AppId(1), &anna, &room, Some(&ticket));
    assert!(check(last).is_ok());
    assert!(check(last + 1).is_err());
}

#[test]
fn play_addresses_are_checked_where_the_streams_app_signs_them() {
    let signs = App {
        play_url_key: Some("play".parse().unwrap()),
        play_url_window: 10,
        ..app(1, &["one"])
    };
    let query = |stream: &str| SignedAddress::query(&"play".parse().unwrap(), stream, NOW + 1);
    let apps = Apps::new([signs.clone(), app(2, &["two"])]);
    let check = |stream: &str, publisher, query: Option<&str>, now| {
        apps.check_play(now, stream, publisher, query)
            .map(drop)
            .map_err(|error| error.label())
    };
    // By the beginning of the id.
    let good = query("1_room_anna_main");
    assert_eq!(
        check("1_room_anna_main", None, Some(&good), NOW + 10),
        Ok(())
    );
    assert_eq!(
        check("1_room_anna_main", None, Some(&good), NOW + 11),
        Err("address_expired")
    );
    assert_eq!(
        check("1_room_anna_main", Some(AppId(2)), None, NOW),
        Err("address_unsigned")
    );
    assert_eq!(check("2_room_anna_main", None, None, NOW), Ok(()));
    // By the publisher.
    assert_eq!(
        check("show", Some(AppId(1)), None, NOW),
        Err("address_unsigned")
    );
    assert_eq!(
        check("show", Some(AppId(1)), Some(&good), NOW),
        Err("address_signature")
    );
    assert_eq!(
        check("show", Some(AppId(1)), Some(&query("show")), NOW),
        Ok(())
    );
    assert_eq!(check("show", Some(AppId(2)), None, NOW), Ok(()));
    // Whose it is, is not known: an app that signs is not to be got around.
    assert_eq!(check("show", None, None, NOW), Err("address_unsigned"));
    assert_eq!(check("show", None, Some(&query("show")), NOW), Ok(()));

    let alone = Apps::new([signs]);
    assert!(alone.check_play(NOW, "show", None, None).is_err());
    let unsigned = Apps::new([app(1, &["one"])]);
    assert_eq!(unsigned.check_play(NOW, "show", None, None), Ok(None));
    // Where none is required, one that is shown is still looked at.
    assert_eq!(
        unsigned.verify_play(NOW, "show", None, Some(&query("show"))),
        Err(AddressError::NoKey)
    );
    let signature = alone.verify_play(NOW, "show", None, Some(&query("show")));
    assert_eq!(signature.unwrap().to_query(), query("show"));
}

#[test]
fn a_push_address_says_which_app_it_is_of() {
    let with_key = |id, key: &str| App {
        push_url_key: Some(key.parse().unwrap()),
        play_url_key: Some("play".parse().unwrap()),
        ..app(id, &["key"])
    };
    let apps = Apps::new([with_key(1, "one"), with_key(2, "two"), app(3, &["three"])]);
    let check = |stream: &str, key: &str, now| {
        let query = SignedAddress::query(&key.parse().unwrap(), stream, NOW);
        apps.check_push(now, stream, Some(&query))
            .map_err(|error| error.label())
    };
    let before = NOW - 1;
    assert_eq!(check("show", "one", before), Ok(AppId(1)));
    assert_eq!(check("show", "two", before), Ok(AppId(2)));
    assert_eq!(check("1_show", "one", before), Ok(AppId(1)));
    assert_eq!(check("1_show", "two", before), Err("address_signature"));
    assert_eq!(check("3_show", "one", before), Err("address_no_key"));
    assert_eq!(check("show", "play", before), Err("address_signature"));
    assert_eq!(check("show", "one", NOW), Err("address_expired"));
    assert_eq!(
        apps.check_push(NOW, "show", None),
        Err(AddressError::Unsigned)
    );
}

#[test]
fn an_id_names_an_app_that_is_there() {
    let apps = Apps::new([app(14, &["k"])]);
    assert_eq!(apps.named_by("14_room_u_main"), Some(AppId(14)));
    for other in ["14", "15_x", "014_x", "x_14", "_14_x", "+14_x", ""] {
        assert_eq!(apps.named_by(other), None, "{other}");
    }
}

#[test]
fn an_unknown_app_signs_nothing_and_the_known_ones_are_named() {
    let apps = Apps::new([app(1, &["one"]), app(2, &["two"])]);
    let error = apps
        .sign_user_sig(NOW, AppId(3), &user("anna"), 1)
        .unwrap_err();
    assert!(error.to_string().contains("configured: 1, 2"), "{error}");
    let none = Apps::default()
        .sign_user_sig(NOW, AppId(3), &user("anna"), 1)
        .unwrap_err();
    assert!(none.to_string().contains("`apps`"), "{none}");
}

#[test]
fn no_key_is_shown_by_debug() {
    let app = App {
        push_url_key: Some("hunter3".parse().unwrap()),
        play_url_key: Some("hunter4".parse().unwrap()),
        ..app(1, &["hunter2"])
    };
    let shown = format!("{:?}", Apps::new([app]));
    assert!(!shown.contains("hunter"), "{shown}");
}
