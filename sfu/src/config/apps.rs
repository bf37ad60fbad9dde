//! The setting `apps`: who signs tokens and addresses.

use std::collections::BTreeSet;
use std::time::Duration;

use super::value::{Raw, duration, origins};
use crate::auth::{App, AppWebhook, MAX_KEYS, SecretKey};
use crate::live::AppId;
use crate::webhook::WebhookUrl;

/// Reads the apps: an array of tables, or that array as text. Its messages show no key.
pub(super) fn apps(raw: Raw<'_>) -> Result<Vec<App>, String> {
    let list = match raw {
        Raw::Toml(value) => value.clone(),
        Raw::Text(text) if text.trim().is_empty() => return Ok(Vec::new()),
        Raw::Text(text) => format!("apps = {text}")
            .parse::<toml::Table>()
            .ok()
            .and_then(|mut table| table.remove("apps"))
            .ok_or_else(|| ALLOWED.to_owned())?,
    };
    let list = list.as_array().ok_or_else(|| ALLOWED.to_owned())?;
    if list.len() > MAX_APPS {
        return Err(format!("a list of at most {MAX_APPS} apps"));
    }
    let mut ids = BTreeSet::new();
    let mut apps = Vec::new();
    for (index, entry) in list.iter().enumerate() {
        let named = |wrong: &str| format!("{ALLOWED}; entry {}: {wrong}", index + 1);
        let app = app(entry).map_err(|wrong| named(&wrong))?;
        if !ids.insert(app.id) {
            return Err(named("another entry has the same id"));
        }
        apps.push(app);
    }
    Ok(apps)
}

fn app(entry: &toml::Value) -> Result<App, String> {
    let table = entry.as_table().ok_or("it is no table")?;
    let mut id = None;
    let mut app = App::default();
    let mut webhook = AppWebhook::default();
    for (name, value) in table {
        match name.as_str() {
            "id" => {
                let number = value.as_integer().and_then(|id| u32::try_from(id).ok());
                id = Some(
                    number
                        .filter(|number| *number > 0)
                        .ok_or("`id` is a whole number from 1 to 4294967295")?,
                );
            }
            "keys" => {
                let keys = value.as_array().ok_or(KEYS)?;
                app.keys = keys
                    .iter()
                    .map(|text| text.as_str().and_then(|text| text.parse().ok()))
                    .collect::<Option<_>>()
                    .ok_or(KEYS)?;
            }
            "push_url_key" => app.push_url_key = url_key(name, value)?,
            "play_url_key" => app.play_url_key = url_key(name, value)?,
            "play_url_window" => {
                app.play_url_window = duration(Raw::Toml(value), Duration::ZERO..=MAX_WINDOW)
                    .map_err(|allowed| format!("`{name}` is {allowed}"))?
                    .as_secs();
            }
            "referers" => {
                let hosts = value.as_array().filter(|list| list.len() <= MAX_REFERERS);
                app.pages.hosts = hosts
                    .and_then(|list| {
                        let rule = |host: &toml::Value| host.as_str()?.parse().ok();
                        list.iter().map(rule).collect::<Option<_>>()
                    })
                    .ok_or(REFERERS)?;
            }
            "allow_no_referer" => {
                app.pages.takes_unsaid = value
                    .as_bool()
                    .ok_or_else(|| format!("`{name}` is true or false"))?;
            }
            "cors_origins" => {
                app.cors_origins = origins(Raw::Toml(value))
                    .map_err(|allowed| format!("`{name}` is {allowed}"))?;
            }
            "require_private_map_key" => {
                app.require_private_map_key = value
                    .as_bool()
                    .ok_or_else(|| format!("`{name}` is true or false"))?;
            }
            "admins" => {
                let admins = value.as_array().filter(|list| list.len() <= MAX_ADMINS);
                app.admins = admins
                    .and_then(|list| {
                        let admin = |user: &toml::Value| user.as_str()?.parse().ok();
                        list.iter().map(admin).collect::<Option<_>>()
                    })
                    .ok_or(ADMINS)?;
            }
            "webhook_url" => {
                let text = value.as_str().ok_or("`webhook_url` is a text")?;
                if !text.is_empty() {
                    text.parse::<WebhookUrl>()
                        .map_err(|error| format!("`{name}`: {error}"))?;
                }
                webhook.url = text.to_owned();
            }
            "webhook_key" => webhook.key = url_key(name, value)?,
            "cdn_webhook_key" => webhook.cdn_key = url_key(name, value)?,
            "webhook_before_chat" => {
                webhook.before_chat = value
                    .as_bool()
                    .ok_or_else(|| format!("`{name}` is true or false"))?;
            }
            other => {
                // It may be a key in the wrong place.
                let shown = other.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
                let name = if shown && other.len() <= 32 {
                    other
                } else {
                    "…"
                };
                return Err(format!("there is no `{name}` in an app"));
            }
        }
    }
    app.id = AppId(id.ok_or("it has no `id`")?);
    if !(1..=MAX_KEYS).contains(&app.keys.len()) {
        return Err(KEYS.to_owned());
    }
    if app.pages.hosts.is_empty() && !app.pages.takes_unsaid {
        return Err("its `allow_no_referer` has no `referers`".to_owned());
    }
    if !webhook.url.is_empty() {
        app.webhook = Some(webhook);
    } else if webhook != AppWebhook::default() {
        return Err("its webhook has no `webhook_url`".to_owned());
    }
    Ok(app)
}

fn url_key(name: &str, value: &toml::Value) -> Result<Option<SecretKey>, String> {
    match value.as_str() {
        Some("") => Ok(None),
        Some(text) => text
            .parse()
            .map(Some)
            .map_err(|error| format!("`{name}`: {error}")),
        None => Err(format!("`{name}` is a text, or \"\" for none")),
    }
}

const ALLOWED: &str = "a list of { id = 1400000000, keys = [\"secret\"] }, each with push_url_key, \
    play_url_key, play_url_window, referers, allow_no_referer, cors_origins, \
    require_private_map_key, admins, webhook_url, webhook_key, cdn_webhook_key and \
    webhook_before_chat if wanted";

const ADMINS: &str = "`admins` is a list of at most 100 user ids, each of 1 to 32 bytes without \
    control characters";

const REFERERS: &str = "`referers` is a list of at most 100 hosts such as \"shop.example\", or \
    \"*.shop.example\" for those below it, without scheme, port and path";

/// Rules for pages of one app: each is looked at for every request.
const MAX_REFERERS: usize = 100;

/// Administrators of one app.
const MAX_ADMINS: usize = 100;

const KEYS: &str = "`keys` is a list of one secret key, or two while they are changed, of 1 to 256 \
    visible ASCII characters";

/// One table of apps is looked up for every token.
const MAX_APPS: usize = 1_000;

const MAX_WINDOW: Duration = Duration::from_secs(30 * 24 * 3_600);

#[cfg(test)]
mod tests {
    use super::*;

    use crate::auth::Page;

    #[test]
    fn an_app_needs_an_id_and_a_key_and_the_rest_is_optional() {
        let read = apps(Raw::Text(
            "[{ id = 1400000000, keys = [\"a\"] },
              { id = 4294967295, keys = [\"b\", \"c\"], push_url_key = \"d\", play_url_key = \"\",
                play_url_window = \"10m\", require_private_map_key = true }]",
        ))
        .unwrap();
        assert_eq!((read[0].id, read[0].keys.len()), (AppId(1_400_000_000), 1));
        assert!(!read[0].require_private_map_key && read[0].push_url_key.is_none());
        assert_eq!(read[1].keys[1].expose(), "c");
        assert!(read[1].push_url_key.is_some() && read[1].play_url_key.is_none());
        assert_eq!(read[1].play_url_window, 600);
        assert!(read[1].require_private_map_key);
        assert_eq!(apps(Raw::Text(" ")), Ok(Vec::new()));
        assert_eq!(apps(Raw::Text("[]")), Ok(Vec::new()));
    }

    #[test]
    fn an_app_names_the_pages_that_may_play_its_streams() {
        let read = apps(Raw::Text(
            "[{ id = 1, keys = [\"a\"], referers = [\"shop.example\", \"*.shop.example\"],
                allow_no_referer = false, cors_origins = [\"https://shop.example\"] },
              { id = 2, keys = [\"b\"], cors_origins = [\"*\"] }]",
        ))
        .unwrap();
        let pages = &read[0].pages;
        assert!(pages.allow(&Page::at("https://www.shop.example/live")));
        assert!(!pages.allow(&Page::Unsaid) && read[1].pages.allow(&Page::Unsaid));
        assert_eq!(read[0].cors_origins, ["https://shop.example"]);
        assert_eq!(read[1].cors_origins, ["*"]);
    }

    #[test]
    fn an_app_has_administrators_and_a_back_end_that_is_called() {
        let read = apps(Raw::Text(
            "[{ id = 1, keys = [\"a\"], admins = [\"root\"], webhook_url = \"http://127.0.0.1:9/h\",
                webhook_key = \"k\", cdn_webhook_key = \"c\", webhook_before_chat = true },
              { id = 2, keys = [\"b\"], webhook_url = \"\" }]",
        ))
        .unwrap();
        assert_eq!(read[0].admins[0].as_str(), "root");
        let hook = read[0].webhook.as_ref().expect("a webhook");
        assert_eq!(hook.url, "http://127.0.0.1:9/h");
        assert!(hook.before_chat && hook.key.is_some() && hook.cdn_key.is_some());
        assert_eq!((read[1].admins.len(), &read[1].webhook), (0, &None));
    }

    #[test]
    fn what_is_wrong_is_named_by_entry_and_member_and_no_key_is_shown() {
        for (text, wrong) in [
            ("hunter2", "a list of"),
            ("{ id = 1 }", "a list of"),
            ("[1]", "entry 1: it is no table"),
            ("[{ keys = [\"hunter2\"] }]", "entry 1: it has no `id`"),
            ("[{ id = 0, keys = [\"hunter2\"] }]", "`id` is a whole"),
            (
                "[{ id = 4294967296, keys = [\"hunter2\"] }]",
                "`id` is a whole",
            ),
            ("[{ id = \"1\", keys = [\"hunter2\"] }]", "`id` is a whole"),
            ("[{ id = 1 }]", "`keys` is a list"),
            ("[{ id = 1, keys = [] }]", "`keys` is a list"),
            ("[{ id = 1, keys = \"hunter2\" }]", "`keys` is a list"),
            ("[{ id = 1, keys = [\"hunter2 \"] }]", "`keys` is a list"),
            (
                "[{ id = 1, keys = [\"a\", \"b\", \"c\"] }]",
                "`keys` is a list",
            ),
            (
                "[{ id = 1, keys = [\"a\"], play_url_key = \"hunter2 \" }]",
                "`play_url_key`: a secret",
            ),
            (
                "[{ id = 1, keys = [\"a\"], push_url_key = 5 }]",
                "`push_url_key` is a text",
            ),
            (
                "[{ id = 1, keys = [\"a\"], play_url_window = 5 }]",
                "`play_url_window` is a duration",
            ),
            (
                "[{ id = 1, keys = [\"a\"], key = \"hunter2\" }]",
                "there is no `key`",
            ),
            (
                "[{ id = 1, keys = [\"a\"], admins = [\"\"] }]",
                "`admins` is a list",
            ),
            (
                "[{ id = 1, keys = [\"a\"], webhook_url = \"hunter2\" }]",
                "`webhook_url`: a webhook",
            ),
            (
                "[{ id = 1, keys = [\"a\"], webhook_key = \"hunter2\" }]",
                "no `webhook_url`",
            ),
            (
                "[{ id = 1, keys = [\"a\"], cdn_webhook_key = \"hunter2 \" }]",
                "`cdn_webhook_key`: a secret",
            ),
            (
                "[{ id = 1, keys = [\"a\"], webhook_before_chat = \"hunter2\" }]",
                "`webhook_before_chat` is true",
            ),
            (
                "[{ id = 1, keys = [\"a\"], referers = [\"https://hunter2\"] }]",
                "`referers` is a list",
            ),
            (
                "[{ id = 1, keys = [\"a\"], allow_no_referer = false }]",
                "`allow_no_referer` has no `referers`",
            ),
            (
                "[{ id = 1, keys = [\"a\"], cors_origins = [\"hunter2\"] }]",
                "`cors_origins` is [\"*\"]",
            ),
            (
                "[{ id = 1, keys = [\"a\"], Hunter2hunter2 = \"\" }]",
                "there is no `…`",
            ),
            (
                "[{ id = 1, keys = [\"a\"] }, { id = 1, keys = [\"b\"] }]",
                "entry 2: another",
            ),
        ] {
            let message = apps(Raw::Text(text)).unwrap_err();
            assert!(message.contains(wrong), "{text}: {message}");
            assert!(!message.to_lowercase().contains("hunter2"), "{message}");
        }
    }

    #[test]
    fn the_number_of_apps_is_bounded() {
        let list = |count: usize| {
            let entries: Vec<String> = (1..=count)
                .map(|id| format!("{{ id = {id}, keys = [\"k\"] }}"))
                .collect();
            apps(Raw::Text(&format!("[{}]", entries.join(", "))))
        };
        assert_eq!(list(MAX_APPS).unwrap().len(), MAX_APPS);
        assert!(list(MAX_APPS + 1).is_err());
    }
}
