//! Writing the tables of `PROTOCOL.md`.

use std::fmt::Write;

use super::Types;
use super::declaration::{Declaration, Field, Type};
use super::file::{one_line, sentence_case};
use crate::signal::protocol::CloseCode;

/// The first request of each part of the table, and the part's heading.
const PARTS: &[(&str, &str)] = &[
    ("login", "Session"),
    ("createRoom", "Rooms"),
    ("takeSeat", "Seats"),
    ("requestCoHost", "Connected rooms"),
    ("sendMessage", "Chat"),
    ("publish", "Media"),
];

impl Types {
    /// All requests, events, types, errors and close codes.
    pub(in crate::signal) fn reference(&self) -> String {
        let mut out = String::from("\n## Requests and their results\n");
        for request in &self.requests {
            if let Some((_, part)) = PARTS.iter().find(|(first, _)| *first == request.name) {
                let _ = write!(out, "\n### {part}\n\n");
                out += "| request | what it does | fields | result |\n|---|---|---|---|\n";
            }
            let fields = match &self.find(&request.fields).ty {
                Type::Object(fields) => self.fields(fields),
                _ => String::new(),
            };
            row(
                &mut out,
                &[
                    code(request.name),
                    request.docs.join(" "),
                    fields,
                    code(&request.result),
                ],
            );
        }
        out += "\n## Events\n";
        for (name, part) in [
            ("RoomEvent", "Rooms, seats and connected rooms"),
            ("ChatEvent", "Chat"),
            ("MediaEvent", "Media"),
        ] {
            let _ = write!(out, "\n### {part}\n\n");
            out += "| event | when | fields |\n|---|---|---|\n";
            for (docs, name, fields) in members(self.find(name)) {
                row(&mut out, &[code(name), docs, self.fields(&fields[1..])]);
            }
        }
        out += "\n## Values\n\nA field that may be absent has a `?`; `null` is a value.\n\n";
        out += "| type | what it is | fields or values |\n|---|---|---|\n";
        for declaration in &self.declarations {
            self.value(&mut out, declaration);
        }
        out += "\n## Errors\n\n| `name` | what went wrong |\n|---|---|\n";
        let errors = self.find("ErrorName");
        for (name, docs) in self.error_names().iter().zip(&errors.member_docs) {
            row(&mut out, &[code(name), docs.join(" ")]);
        }
        out += "\n## Close codes\n\n";
        out += "| code | `CloseCode` | why | the session can be resumed |\n|---|---|---|---|\n";
        for close in CloseCode::ALL {
            let resume = if close.can_resume() { "yes" } else { "no" };
            let number = close.code().to_string();
            row(
                &mut out,
                &[
                    number,
                    code(close.name()),
                    sentence_case(close.sentence()),
                    resume.to_owned(),
                ],
            );
        }
        out
    }

    /// Types that are described elsewhere have no row.
    fn value(&self, out: &mut String, declaration: &Declaration) {
        let Declaration { name, docs, ty, .. } = declaration;
        let is_request = self.requests.iter().any(|request| request.fields == *name);
        if is_request || name == "ErrorName" || name.ends_with("Event") {
            return;
        }
        let is = match ty {
            Type::Object(fields) => self.fields(fields),
            Type::Union(members) if !declaration.member_docs.is_empty() => {
                let members = members.iter().zip(&declaration.member_docs);
                let one = |(member, docs): (&Type, &Vec<String>)| {
                    format!("{} {}", code(&one_line(member)), docs.join(" "))
                };
                members.map(one).collect::<Vec<_>>().join("<br>")
            }
            Type::Nothing => code("{}"),
            Type::Intersection(members) => {
                let one = |member: &Type| match member {
                    Type::Object(fields) => self.fields(fields),
                    other => code(&one_line(other)),
                };
                members.iter().map(one).collect::<Vec<_>>().join("<br>")
            }
            other => code(&one_line(other)),
        };
        row(out, &[code(name), docs.join(" "), is]);
    }

    fn fields(&self, fields: &[Field]) -> String {
        let one = |field: &Field| {
            let optional = if field.is_optional { "?" } else { "" };
            let ty = one_line(&field.ty);
            let text = code(&format!("{}{optional}: {ty}", field.name));
            match field.docs.as_slice() {
                [] => text,
                docs => format!("{text} {}", docs.join(" ")),
            }
        };
        fields.iter().map(one).collect::<Vec<_>>().join("<br>")
    }
}

/// Comment, name and fields of each event.
fn members(declaration: &Declaration) -> impl Iterator<Item = (String, &str, &[Field])> {
    let Type::Union(members) = &declaration.ty else {
        panic!("{} is no union", declaration.name);
    };
    members
        .iter()
        .zip(&declaration.member_docs)
        .map(|(member, docs)| match member {
            Type::Object(fields) => match &fields[0].ty {
                Type::Literal(name) => (docs.join(" "), name.as_str(), fields.as_slice()),
                other => panic!("an event has no name: {other:?}"),
            },
            other => panic!("an event is no object: {other:?}"),
        })
}

fn code(text: &str) -> String {
    format!("`{text}`")
}

fn row(out: &mut String, cells: &[String]) {
    for cell in cells {
        let _ = write!(out, "| {} ", cell.replace('|', "\\|"));
    }
    *out += "|\n";
}
