//! Lists that hosts and members ask for.

use super::*;
use crate::store::SavedProfile;

/// Users with what is left for them, and whether there are more.
fn times(list: &Value) -> (Vec<(&str, u64)>, bool) {
    let users = list["users"].as_array().unwrap().iter();
    let users = users.map(|u| (u["user"].as_str().unwrap(), u["seconds"].as_u64().unwrap()));
    (users.collect(), list["more"].as_bool().unwrap())
}

#[test]
fn a_host_pages_through_bans_and_mutes() {
    let mut world = World::new();
    let [anna, ben] = ["anna", "ben"].map(|user| world.user(user));
    world.room(anna, 5);
    world.enter(ben, 5, "audience");
    for name in ["cleo", "dora", "ella"] {
        let mute = json!({"room": 5, "user": name, "seconds": 90});
        world.done(anna, "muteUser", mute);
        let ban = json!({"room": 5, "users": [name], "banSeconds": 60});
        world.done(anna, "kick", ban);
    }
    world.done(anna, "muteAll", json!({"room": 5, "muted": true}));
    for (kind, seconds) in [("listBans", 60), ("listMutes", 90)] {
        let first = world.done(anna, kind, json!({"room": 5, "count": 2}));
        let users = vec![("cleo", seconds), ("dora", seconds)];
        assert_eq!(times(&first), (users, true), "{kind}");
        let rest = world.done(anna, kind, json!({"room": 5, "count": 2, "after": "dora"}));
        assert_eq!(times(&rest), (vec![("ella", seconds)], false), "{kind}");
        let none = world.done(anna, kind, json!({"room": 5, "after": "zoe"}));
        assert_eq!(times(&none), (Vec::new(), false), "{kind}");
        let refused = world.refused(ben, kind, json!({"room": 5}));
        assert_eq!(refused, "noPermission", "{kind}");
    }
    world.pass(Duration::from_secs(61));
    let bans = world.done(anna, "listBans", json!({"room": 5}));
    assert_eq!(times(&bans), (Vec::new(), false), "they have ended");
    let mutes = world.done(anna, "listMutes", json!({"room": 5}));
    assert_eq!(times(&mutes).0.len(), 3);
    assert_eq!(mutes["allMuted"], true);
}

#[test]
fn a_page_is_not_longer_than_its_bound() {
    let mut world = World::with(|config| config.limits.page = 3);
    let anna = world.user("anna");
    world.room(anna, 5);
    for n in 0..5 {
        let mute = json!({"room": 5, "user": format!("u{n}"), "seconds": 90});
        world.done(anna, "muteUser", mute);
    }
    let page = world.done(anna, "listMutes", json!({"room": 5, "count": 100}));
    let (users, more) = times(&page);
    assert_eq!((users.len(), more), (3, true));
}

#[test]
fn profiles_are_those_of_the_logged_in_and_else_the_stored_ones() {
    let mut world = World::new();
    let [anna, ben] = ["anna", "ben"].map(|user| world.user(user));
    let nick = |nick: &str| json!({"profile": {"nick": nick, "avatar": ""}});
    let details = json!({"gender": "Gender_Type_Male", "selfSignature": "Sings."});
    let mut with_details = nick("Ben");
    with_details["details"] = details.clone();
    world.done(ben, "setProfile", with_details);
    world.done(ben, "setProfile", nick("Ben"));
    let stored = SavedProfile {
        nick: "Zoe".to_owned(),
        self_signature: "Reads.".to_owned(),
        ..SavedProfile::default()
    };
    world.profiles.insert("zoe".to_owned(), stored);
    let elsewhere = world.user_of(2, "carl");
    world.done(elsewhere, "setProfile", nick("Carl"));

    let ask = json!({"users": ["zoe", "ben", "carl", "zoe", "nobody"]});
    let told = world.done(anna, "showProfiles", ask);
    let nicks: Vec<_> = told["profiles"].as_array().unwrap().iter().collect();
    assert_eq!(
        nicks,
        [
            &json!({"user": "ben", "profile": {"nick": "Ben", "avatar": ""}, "details": details}),
            &json!({"user": "zoe", "profile": {"nick": "Zoe", "avatar": ""},
                "details": {"gender": "", "selfSignature": "Reads."}}),
        ],
        "the other app's carl is nobody here"
    );
    let known = world.done(anna, "showProfiles", json!({"users": ["ben"]}));
    assert_eq!(known["profiles"].as_array().unwrap().len(), 1);

    let empty = world.refused(anna, "showProfiles", json!({"users": []}));
    assert_eq!(empty, "emptyList");
    let many: Vec<_> = (0..51).map(|n| n.to_string()).collect();
    let many = world.refused(anna, "showProfiles", json!({"users": many}));
    assert_eq!(many, "badValue");
    let guest = world.guest();
    let guest = world.refused(guest, "showProfiles", json!({"users": ["ben"]}));
    assert_eq!(guest, "guest");
}
