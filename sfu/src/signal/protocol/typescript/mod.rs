//! The TypeScript types of the protocol: collected from the Rust types, written as one file,
//! and used to check examples and recorded sessions.

mod check;
mod declaration;
mod file;
mod reference;
mod variants;

use std::any::TypeId;
use std::collections::{BTreeMap, HashSet};

use ts_rs::{Config, TS, TypeVisitor};

use self::declaration::{Declaration, Type};
use super::chat::ChatEvent;
use super::errors::ErrorBody;
use super::media::MediaEvent;
use super::request::{RequestBody, TypeTable};
use crate::live::Event;

/// All types of the protocol.
pub(in crate::signal) struct Types {
    /// In the order in which the requests and events lead to them.
    declarations: Vec<Declaration>,
    /// The requests in the order of their table.
    requests: Vec<RequestTypes>,
}

/// One request.
struct RequestTypes {
    /// The value of `type`.
    name: &'static str,
    /// What it does.
    docs: Vec<String>,
    /// The type of its fields.
    fields: String,
    /// The type of its result.
    result: String,
}

impl Types {
    /// The types as they are in Rust.
    pub(in crate::signal) fn collect() -> Self {
        let mut collector = Collector {
            // JSON has one kind of number.
            config: Config::new().with_large_int("number"),
            seen: HashSet::new(),
            types: Self {
                declarations: Vec::new(),
                requests: Vec::new(),
            },
        };
        RequestBody::visit_types(&mut collector);
        collector.visit::<Event>();
        collector.visit::<ChatEvent>();
        collector.visit::<MediaEvent>();
        collector.visit::<ErrorBody>();
        let mut types = collector.types;
        types.sort();
        types
    }

    /// Puts each type behind the first that names it: ts-rs finds them in any order.
    fn sort(&mut self) {
        let by_name = self.by_name();
        let requests = self.requests.iter();
        let mut waiting: Vec<&str> = requests
            .flat_map(|request| [request.fields.as_str(), request.result.as_str()])
            .chain(["RoomEvent", "ChatEvent", "MediaEvent", "ErrorBody"])
            .collect();
        waiting.reverse();
        let mut order: Vec<String> = Vec::new();
        while let Some(name) = waiting.pop() {
            let Some(ty) = by_name.get(name) else {
                continue;
            };
            if order.iter().any(|known| known == name) {
                continue;
            }
            order.push(name.to_owned());
            let mut inner = Vec::new();
            ty.names(&mut |name| inner.push(name));
            waiting.extend(inner.into_iter().rev());
        }
        assert_eq!(order.len(), by_name.len(), "a type that nobody names");
        let place = |d: &Declaration| order.iter().position(|name| *name == d.name);
        self.declarations.sort_by_key(place);
    }

    /// The values of `event`.
    pub(in crate::signal) fn event_names(&self) -> Vec<&str> {
        let unions = ["RoomEvent", "ChatEvent", "MediaEvent"];
        let members = unions.iter().flat_map(|name| match &self.find(name).ty {
            Type::Union(members) => members.as_slice(),
            other => panic!("{name} is no union: {other:?}"),
        });
        members
            .map(|member| match member {
                Type::Object(fields) => match &fields[0].ty {
                    Type::Literal(name) if fields[0].name == "event" => name.as_str(),
                    other => panic!("an event has no name: {other:?}"),
                },
                other => panic!("an event is no object: {other:?}"),
            })
            .collect()
    }

    /// The values of an error's `name`.
    pub(in crate::signal) fn error_names(&self) -> Vec<&str> {
        let Type::Union(names) = &self.find("ErrorName").ty else {
            panic!("ErrorName is no union");
        };
        names
            .iter()
            .map(|name| match name {
                Type::Literal(name) => name.as_str(),
                other => panic!("an error's name is no text: {other:?}"),
            })
            .collect()
    }

    fn find(&self, name: &str) -> &Declaration {
        let found = self.declarations.iter().find(|d| d.name == name);
        found.unwrap_or_else(|| panic!("there is no type {name}"))
    }

    fn by_name(&self) -> BTreeMap<&str, &Type> {
        let declarations = self.declarations.iter();
        declarations.map(|d| (d.name.as_str(), &d.ty)).collect()
    }
}

struct Collector {
    config: Config,
    seen: HashSet<TypeId>,
    types: Types,
}

impl TypeVisitor for Collector {
    fn visit<T: TS + 'static + ?Sized>(&mut self) {
        if !self.seen.insert(TypeId::of::<T>()) {
            return;
        }
        // Those of the language itself have no file.
        if T::output_path().is_some() {
            let declaration = Declaration::read(T::docs().as_deref(), &T::decl(&self.config));
            self.types.declarations.push(declaration);
        }
        T::visit_generics(self);
        T::visit_dependencies(self);
    }
}

impl TypeTable for Collector {
    fn request<Q: TS + 'static, R: TS + 'static>(&mut self, name: &'static str) {
        self.visit::<Q>();
        self.visit::<R>();
        self.types.requests.push(RequestTypes {
            name,
            docs: declaration::docs(Q::docs().as_deref().unwrap_or_default()),
            fields: Q::name(&self.config),
            result: R::name(&self.config),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn the_typescript_types_on_disk_are_those_of_the_protocol() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../web/src/protocol/messages.ts");
        let types = Types::collect().file();
        if std::env::var_os("UPDATE").is_some() {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, &types).unwrap();
        }
        let on_disk = std::fs::read_to_string(&path).unwrap_or_default();
        let differs = on_disk.lines().zip(types.lines()).position(|(a, b)| a != b);
        assert!(
            on_disk == types,
            "{} differs from the Rust types (first in line {}). Renew it with\n    \
             UPDATE=1 cargo test -p sfu --lib signal::protocol\nand commit it.",
            path.display(),
            differs.map_or(0, |line| line + 1),
        );
    }

    #[test]
    fn the_tables_of_the_protocol_s_description_are_those_of_its_types() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("PROTOCOL.md");
        let document = std::fs::read_to_string(&path).unwrap();
        let (prose, tables) = document.split_once(REFERENCE).expect("the mark is there");
        let reference = Types::collect().reference();
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(&path, format!("{prose}{REFERENCE}{reference}")).unwrap();
            return;
        }
        assert!(
            tables == reference,
            "the tables of {} differ from the Rust types. Renew them with\n    \
             UPDATE=1 cargo test -p sfu --lib signal::protocol\nand commit them.",
            path.display(),
        );
    }

    /// Behind it the description is generated.
    const REFERENCE: &str =
        "<!-- generated from here on: UPDATE=1 cargo test -p sfu --lib signal::protocol -->\n";

    #[test]
    fn the_frames_in_the_protocol_s_description_are_what_they_claim_to_be() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("PROTOCOL.md");
        let document = std::fs::read_to_string(path).unwrap();
        let types = Types::collect();
        let mut asked = BTreeMap::new();
        let (mut requests, mut others) = (0, 0);
        for line in document.lines().filter(|line| line.starts_with("{\"")) {
            let frame: serde_json::Value =
                serde_json::from_str(line).unwrap_or_else(|e| panic!("{line}: {e}"));
            if line.starts_with("{\"id\"") {
                let request = crate::signal::protocol::parse(line);
                let request = request.unwrap_or_else(|e| panic!("{line}: {e:?}"));
                asked.insert(u64::from(request.id), request.body.name().to_owned());
                requests += 1;
            } else {
                let checked = types.check_server(&frame, |id| asked.remove(&id));
                checked.unwrap_or_else(|e| panic!("{line}: {e}"));
                others += 1;
            }
        }
        assert!(requests >= 10 && others >= 10, "{requests} and {others}");
    }

    #[test]
    fn no_two_types_have_the_same_name() {
        let types = Types::collect();
        assert_eq!(types.by_name().len(), types.declarations.len());
    }

    #[test]
    fn no_two_events_have_the_same_name() {
        let types = Types::collect();
        let mut names = types.event_names();
        names.sort_unstable();
        let all = names.len();
        names.dedup();
        assert_eq!(names.len(), all);
    }
}
