//! The command line: a flag for every setting, and what else the program can be asked to do.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};

use super::keys::{Key, keys};
use crate::auth::{Privileges, SecretKey};
use crate::live::{AppId, InvalidId, RoomId, UserId};
use crate::webhook::echo::EchoOptions;

/// What the program is asked to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Task {
    /// Serve until a signal.
    Serve,
    /// `edge`: serve the streams of an origin until a signal.
    Edge,
    /// `--check-config`: say whether the settings are right, and end.
    Check,
    /// `usersig`: print a token, and end.
    UserSig(TokenRequest),
    /// `webhook-echo`: print what a back end is told, until a signal.
    WebhookEcho(SocketAddr, EchoOptions),
}

/// The token that is to be printed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenRequest {
    /// The app whose key signs.
    pub app: AppId,
    /// The user that the token speaks of.
    pub user: UserId,
    /// The room of the PrivateMapKey, if there is to be one.
    pub room: Option<RoomId>,
    /// The rights of the PrivateMapKey.
    pub privileges: Privileges,
    /// Seconds until the end.
    pub expires_in: u64,
}

/// Everything that can stand behind the program's name.
pub(super) fn command() -> Command {
    let check = Arg::new(CHECK_FLAG)
        .long(CHECK_FLAG)
        .action(ArgAction::SetTrue)
        .help("Check the settings and the files they name, and end");
    let edge = Command::new(EDGE)
        .about("Serve the streams of another server: pulled once, for as long as somebody watches")
        .arg(
            Arg::new(ORIGIN)
                .long(ORIGIN)
                .value_name("URL")
                .help("Where the streams are: http(s)://host, with a path if need be"),
        )
        .arg(check.clone())
        .args(settings());
    Command::new("weblive")
        .about("Live streaming: publish over WebRTC, watch over WebRTC, HTTP-FLV and HLS.")
        .version(env!("CARGO_PKG_VERSION"))
        .arg(
            Arg::new(CONFIG_FLAG)
                .long(CONFIG_FLAG)
                .value_name("FILE")
                .value_parser(value_parser!(PathBuf))
                .global(true)
                .help(format!("Settings file [{CONFIG_VARIABLE}]")),
        )
        .arg(check)
        .args(settings())
        .subcommand(edge)
        .subcommand(usersig())
        .subcommand(webhook_echo())
}

/// A flag for every setting.
fn settings() -> impl Iterator<Item = Arg> {
    keys().map(|key| {
        let arg = Arg::new(key.flag())
            .long(key.flag())
            .help(format!("{} [{}]", key.help, key.variable()))
            .help_heading("Settings")
            .value_name("VALUE")
            .allow_hyphen_values(true)
            .action(ArgAction::Set);
        if key.is_switch {
            arg.num_args(0..=1)
                .require_equals(true)
                .default_missing_value("true")
        } else {
            arg.num_args(1)
        }
    })
}

fn usersig() -> Command {
    let arg = |name: &'static str, value: &'static str, help: &'static str| {
        Arg::new(name).long(name).value_name(value).help(help)
    };
    Command::new(USERSIG)
        .about("Print a token, signed with the app's first key in the settings")
        .arg(
            arg("app", "N", "The app (sdkAppId)")
                .required(true)
                .value_parser(|text: &str| text.parse::<AppId>()),
        )
        .arg(
            arg("user", "U", "The user")
                .required(true)
                .value_parser(|text: &str| text.parse::<UserId>()),
        )
        .arg(
            arg(
                "room",
                "R",
                "Print a PrivateMapKey for this room too; digits are a room number",
            )
            .value_parser(room),
        )
        .arg(
            arg(
                "room-name",
                "R",
                "The same for a named room; digits are a name",
            )
            .conflicts_with("room")
            .value_parser(RoomId::name),
        )
        .arg(
            arg(
                "privileges",
                "BITS",
                "Rights in the room: 255 for all, 42 for an audience",
            )
            .default_value("255")
            .value_parser(value_parser!(u32).range(0..=255)),
        )
        .arg(
            arg("expire", "SECS", "Seconds until the token's end")
                .default_value("604800")
                .value_parser(value_parser!(u64).range(1..)),
        )
}

fn webhook_echo() -> Command {
    let arg = |name: &'static str, value: &'static str, help: &'static str| {
        Arg::new(name).long(name).value_name(value).help(help)
    };
    let key =
        |name, help| arg(name, "KEY", help).value_parser(|text: &str| text.parse::<SecretKey>());
    Command::new(WEBHOOK_ECHO)
        .about("Print what a back end is told by webhooks, for development")
        .arg(
            arg("listen", "ADDRESS", "Address and TCP port")
                .default_value("127.0.0.1:9099")
                .value_parser(value_parser!(SocketAddr)),
        )
        .arg(key("key", "The app's webhook_key: signatures are checked"))
        .arg(key(
            "cdn-key",
            "The app's cdn_webhook_key, if it is another one",
        ))
        .arg(arg(
            "refuse",
            "WORD",
            "Refuse messages with this word before they are sent",
        ))
}

/// A room's number, or its name where the text is no number.
fn room(text: &str) -> Result<RoomId, InvalidId> {
    if text.bytes().all(|b| b.is_ascii_digit()) {
        RoomId::parse_number(text)
    } else {
        RoomId::name(text)
    }
}

/// What the flags ask for.
pub(super) fn task(flags: &ArgMatches) -> Task {
    if let Some(request) = flags.subcommand_matches(USERSIG).and_then(token_request) {
        Task::UserSig(request)
    } else if let Some(task) = flags.subcommand_matches(WEBHOOK_ECHO).and_then(echo) {
        task
    } else if edge(flags).unwrap_or(flags).get_flag(CHECK_FLAG) || flags.get_flag(CHECK_FLAG) {
        Task::Check
    } else if is_edge(flags) {
        Task::Edge
    } else {
        Task::Serve
    }
}

/// Whether the settings are those of an edge, be it to serve or to be checked.
pub(super) fn is_edge(flags: &ArgMatches) -> bool {
    edge(flags).is_some()
}

fn edge(flags: &ArgMatches) -> Option<&ArgMatches> {
    flags.subcommand_matches(EDGE)
}

/// A setting that the flags give, with the flag that gives it: behind a subcommand or before it.
pub(super) fn setting<'a>(flags: &'a ArgMatches, key: &Key) -> Option<(String, &'a String)> {
    let name = key.flag();
    let of_edge = edge(flags).and_then(|edge| {
        let origin = edge.get_one(ORIGIN).filter(|_| key.name == "edge.origin");
        let origin = origin.map(|text| (ORIGIN.to_owned(), text));
        origin.or_else(|| Some((name.clone(), edge.get_one(&name)?)))
    });
    of_edge.or_else(|| Some((name.clone(), flags.get_one(&name)?)))
}

fn echo(flags: &ArgMatches) -> Option<Task> {
    let options = EchoOptions {
        key: flags.get_one("key").cloned(),
        cdn_key: flags.get_one("cdn-key").cloned(),
        refuse: flags.get_one("refuse").cloned(),
    };
    Some(Task::WebhookEcho(*flags.get_one("listen")?, options))
}

/// All of them are there: they are required, or have a default.
fn token_request(flags: &ArgMatches) -> Option<TokenRequest> {
    let room = flags.get_one("room").or(flags.get_one("room-name"));
    Some(TokenRequest {
        app: *flags.get_one("app")?,
        user: flags.get_one::<UserId>("user")?.clone(),
        room: room.cloned(),
        privileges: Privileges(*flags.get_one("privileges")?),
        expires_in: *flags.get_one("expire")?,
    })
}

/// The settings file that the flags name, before or behind a subcommand.
pub(super) fn config_file(flags: &ArgMatches) -> Option<PathBuf> {
    let inner = flags
        .subcommand()
        .and_then(|(_, inner)| inner.get_one(CONFIG_FLAG));
    inner.or(flags.get_one(CONFIG_FLAG)).cloned()
}

const CONFIG_FLAG: &str = "config";
pub(super) const CONFIG_VARIABLE: &str = "WEBLIVE_CONFIG";
const CHECK_FLAG: &str = "check-config";
const EDGE: &str = "edge";
const ORIGIN: &str = "origin";
const USERSIG: &str = "usersig";
const WEBHOOK_ECHO: &str = "webhook-echo";
