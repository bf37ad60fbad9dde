//! The file of revocations: who is kept out after a restart, too.

use std::collections::{HashMap, HashSet};
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::net::IpAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{MAX_REVOCATIONS, Revoked, Rule, Target};
use crate::auth::{read_secret, write_secret};
use crate::live::AppId;

/// Why it is not known who is kept out.
#[derive(Debug, Error)]
pub enum RevocationsError {
    /// The system refuses.
    #[error("who is kept out cannot be read from {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// It is not what a server wrote.
    #[error(
        "{} does not say who is kept out: {reason}; put a copy of it back, or remove it, which lets \
         all in again who were kept out by the API",
        path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
}

/// What the file held, and where the next ones go.
#[derive(Debug)]
pub struct KeptRevocations {
    pub(super) file: RevocationFile,
    pub(super) revoked: HashMap<Rule, Revoked>,
    /// The largest number that was given.
    pub(super) last: u64,
}

impl KeptRevocations {
    /// Reads those that hold from a data folder; there are none without a file.
    ///
    /// # Errors
    /// [`RevocationsError`].
    pub fn read(folder: &Path, now: u64) -> Result<Self, RevocationsError> {
        let path = folder.join(NAME);
        let text = match read(&path) {
            Ok(text) => text,
            Err(source) => return Err(RevocationsError::Unreadable { path, source }),
        };
        let (revoked, last) = match text {
            None => (HashMap::new(), 0),
            Some(text) => match parse(&text, now) {
                Ok(kept) => kept,
                Err(reason) => return Err(RevocationsError::Damaged { path, reason }),
            },
        };
        Ok(Self {
            file: RevocationFile { path },
            revoked,
            last,
        })
    }
}

/// Where they are kept.
#[derive(Debug, Clone)]
pub(super) struct RevocationFile {
    path: PathBuf,
}

impl RevocationFile {
    /// Puts a text in place of the one before: each is there as a whole, whenever the process or the
    /// machine ends.
    pub(super) fn write(&self, text: &[u8]) -> io::Result<()> {
        let staged = self.path.with_added_extension("new");
        // Of a write that was cut off. Its mode would stay, and a link would be followed.
        match std::fs::remove_file(&staged) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut options = OpenOptions::new();
        // Signatures are nobody's to read but the server's.
        let options = options.write(true).create_new(true).mode(0o600);
        let mut file = options.open(&staged)?;
        file.write_all(text)?;
        file.sync_all()?;
        std::fs::rename(&staged, &self.path)?;
        let folder = self.path.parent().unwrap_or(Path::new("."));
        File::open(folder)?.sync_all()
    }
}

/// The text of the file.
pub(super) fn text(revoked: &HashMap<Rule, Revoked>, last: u64, now: u64) -> Vec<u8> {
    let holds = revoked.iter().filter(|(_, revoked)| revoked.until > now);
    let mut revocations: Vec<_> = holds
        .map(|(rule, revoked)| Line::new(rule, *revoked))
        .collect();
    revocations.sort_by_key(|line| line.id);
    let kept = Kept {
        version: VERSION,
        last,
        revocations,
    };
    // Plain values under texts: they can always be written.
    serde_json::to_vec(&kept).unwrap_or_default()
}

fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file?,
    };
    let mut text = Vec::new();
    file.take(MAX_BYTES + 1).read_to_end(&mut text)?;
    Ok(Some(text))
}

/// Those that hold, and the largest number that was given.
fn parse(text: &[u8], now: u64) -> Result<(HashMap<Rule, Revoked>, u64), String> {
    if text.len() as u64 > MAX_BYTES {
        return Err(format!("it has more than {MAX_BYTES} bytes"));
    }
    let wrong = |error: serde_json::Error| error.to_string();
    let Version { version } = serde_json::from_slice(text).map_err(wrong)?;
    if version != VERSION {
        return Err(format!(
            "it is of version {version}, and this server reads {VERSION}"
        ));
    }
    let kept: Kept = serde_json::from_slice(text).map_err(wrong)?;
    if kept.revocations.len() > MAX_REVOCATIONS {
        return Err(format!("it has more than {MAX_REVOCATIONS} revocations"));
    }
    let (mut revoked, mut ids) = (HashMap::new(), HashSet::new());
    for line in kept.revocations {
        let id = line.id;
        if id == 0 || id > kept.last || !ids.insert(id) {
            return Err(format!("no revocation can have the number {id} there"));
        }
        let until = line.until;
        let rule = line
            .rule()
            .map_err(|what| format!("revocation {id} {what}"))?;
        if until > now && revoked.insert(rule, Revoked { id, until }).is_some() {
            return Err(format!("revocation {id} is there twice"));
        }
    }
    Ok((revoked, kept.last))
}

#[derive(Deserialize)]
struct Version {
    version: u32,
}

/// A field that is not known could keep fewer out: it is none of this version.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    version: u32,
    last: u64,
    revocations: Vec<Line>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Line {
    id: u64,
    app: AppId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    address: Option<IpAddr>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tx_secret: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    stream: Option<String>,
    /// Unix seconds.
    until: u64,
}

impl Line {
    fn new(rule: &Rule, revoked: Revoked) -> Self {
        let (address, tx_secret) = match rule.target {
            Target::Address(address) => (Some(address), None),
            Target::Secret(secret) => (None, Some(write_secret(secret))),
        };
        Self {
            id: revoked.id,
            app: rule.app,
            address,
            tx_secret,
            stream: rule.stream.as_ref().map(ToString::to_string),
            until: revoked.until,
        }
    }

    fn rule(self) -> Result<Rule, &'static str> {
        let target = match (self.address, self.tx_secret) {
            (Some(address), None) => Target::address(address),
            (None, Some(secret)) => {
                let secret = read_secret(&secret);
                Target::Secret(secret.ok_or("has a txSecret that is none")?)
            }
            _ => return Err("needs one of address and txSecret"),
        };
        let stream = self.stream.map(|stream| stream.parse()).transpose();
        Ok(Rule {
            app: self.app,
            target,
            stream: stream.map_err(|_| "has a stream id that is none")?,
        })
    }
}

/// In the data folder.
const NAME: &str = "revocations.json";

/// Version of the format.
const VERSION: u32 = 1;

/// As many revocations as there can be have 3.5 MB.
const MAX_BYTES: u64 = 8 << 20;

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;

    fn rules() -> HashMap<Rule, Revoked> {
        let rule = |app, target, stream: Option<&str>| Rule {
            app: AppId(app),
            target,
            stream: stream.map(|stream| stream.parse().unwrap()),
        };
        let address = |text: &str| Target::address(text.parse().unwrap());
        let secret = Target::Secret([0xab; 16]);
        let revoked = |id, until| Revoked { id, until };
        HashMap::from([
            (rule(1, address("192.0.2.7"), None), revoked(2, 200)),
            (rule(1, address("2001:db8::7"), Some("a")), revoked(9, 300)),
            (rule(2, secret, Some("b")), revoked(4, 101)),
            (rule(1, secret, None), revoked(3, 100)),
        ])
    }

    #[test]
    fn what_is_written_is_read_as_far_as_it_holds() {
        let text = text(&rules(), 12, 100);
        let expected = concat!(
            r#"{"version":1,"last":12,"revocations":["#,
            r#"{"id":2,"app":1,"address":"192.0.2.7","until":200},"#,
            r#"{"id":4,"app":2,"txSecret":"abababababababababababababababab","stream":"b","until":101},"#,
            r#"{"id":9,"app":1,"address":"2001:db8::","stream":"a","until":300}]}"#,
        );
        assert_eq!(String::from_utf8_lossy(&text), expected);
        let mut holds = rules();
        holds.retain(|_, revoked| revoked.until > 100);
        assert_eq!(parse(&text, 100), Ok((holds.clone(), 12)));
        holds.retain(|_, revoked| revoked.until > 200);
        assert_eq!(parse(&text, 200), Ok((holds, 12)));
    }

    #[test]
    fn as_many_as_there_can_be_are_read_again() {
        let stream: relay::StreamId = "s".repeat(128).parse().unwrap();
        let rule = |n: u32| Rule {
            app: AppId(u32::MAX),
            target: Target::Secret(u128::from(n).to_be_bytes()),
            stream: Some(stream.clone()),
        };
        let revoked = |n: u32| Revoked {
            id: u64::MAX - u64::from(n),
            until: u64::MAX,
        };
        let all = |count: usize| (0..count as u32).map(|n| (rule(n), revoked(n)));
        let most: HashMap<_, _> = all(MAX_REVOCATIONS).collect();
        let most_text = text(&most, u64::MAX, 0);
        assert!((most_text.len() as u64) < MAX_BYTES / 2);
        assert_eq!(parse(&most_text, 0), Ok((most, u64::MAX)));
        let more = text(&all(MAX_REVOCATIONS + 1).collect(), u64::MAX, 0);
        let error = parse(&more, 0).unwrap_err();
        assert_eq!(error, "it has more than 10000 revocations");
        let blanks = vec![b' '; MAX_BYTES as usize + 1];
        assert!(parse(&blanks, 0).unwrap_err().contains("bytes"));
    }

    #[test]
    fn a_damaged_file_is_named_and_nothing_of_it_is_taken() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(NAME);
        let line = r#"{"id":2,"app":1,"address":"192.0.2.7","until":200}"#;
        let with = |lines: &str| format!(r#"{{"version":1,"last":3,"revocations":[{lines}]}}"#);
        for (text, reason) in [
            (String::new(), "EOF"),
            (with(line)[..80].to_owned(), "EOF"),
            (
                with(line).replace("\"version\":1", "\"version\":2"),
                "version 2",
            ),
            (with(line).replace("\"last\":3", "\"last\":1"), "number 2"),
            (with(&line.replace("\"id\":2", "\"id\":0")), "number 0"),
            (with(&format!("{line},{line}")), "number 2"),
            (
                with(&format!("{line},{}", line.replace("\"id\":2", "\"id\":3"))),
                "3 is there twice",
            ),
            (with(&line.replace("192.0.2.7", "192.0.2.0/24")), "address"),
            (with(&line.replace("\"address\"", "\"country\"")), "country"),
            (with(&line.replace("\"until\":200", "\"until\":-1")), "-1"),
            (
                with(r#"{"id":2,"app":1,"until":200}"#),
                "revocation 2 needs one",
            ),
            (
                with(r#"{"id":2,"app":1,"txSecret":"ab","until":200}"#),
                "txSecret",
            ),
            (
                with(&line.replace("}", r#","stream":"../a"}"#)),
                "stream id",
            ),
            (format!("{}x", with(line)), "trailing"),
        ] {
            std::fs::write(&path, &text).unwrap();
            let error = KeptRevocations::read(folder.path(), 100).unwrap_err();
            let error = error.to_string();
            assert!(error.contains(&path.display().to_string()), "{error}");
            assert!(error.contains("remove it"), "{error}");
            assert!(error.contains(reason), "{error} has no {reason:?}");
        }
        std::fs::remove_file(&path).unwrap();
        std::fs::create_dir(&path).unwrap();
        let error = KeptRevocations::read(folder.path(), 100).unwrap_err();
        assert!(matches!(error, RevocationsError::Unreadable { .. }));
        assert!(error.to_string().contains(&path.display().to_string()));
    }

    #[test]
    fn the_file_is_replaced_as_a_whole_and_is_the_servers_alone() {
        let folder = tempfile::tempdir().unwrap();
        let none = KeptRevocations::read(folder.path(), 0).unwrap();
        assert!(none.revoked.is_empty());
        // Of a write that was cut off, and that others may read.
        let staged = folder.path().join("revocations.json.new");
        std::fs::write(&staged, "half").unwrap();
        std::fs::set_permissions(&staged, Permissions::from_mode(0o644)).unwrap();
        for until in [50, 150] {
            none.file.write(&text(&rules(), 12, until)).unwrap();
            let kept = KeptRevocations::read(folder.path(), 0).unwrap();
            let holds = rules().values().filter(|r| r.until > until).count();
            assert_eq!((kept.revoked.len(), kept.last), (holds, 12));
            let file = std::fs::metadata(folder.path().join(NAME)).unwrap();
            assert_eq!(file.permissions().mode() & 0o077, 0);
        }
        let names = std::fs::read_dir(folder.path()).unwrap();
        let names: Vec<_> = names.map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, [NAME]);
    }
}
