//! Writing `messages.ts`.

use std::fmt::Write;

use super::declaration::{Declaration, Field, Type};
use super::{RequestTypes, Types};
use crate::signal::protocol::{CloseCode, VERSION};

const HEAD: &str = "\
// The messages of `/signal`, as sfu/PROTOCOL.md describes them.
//
// Generated from the Rust types in sfu/src/signal/protocol; do not edit. To renew:
//     UPDATE=1 cargo test -p sfu --lib signal::protocol
";

const FRAMES: &str = r#"
/** What a client sends. */
export type ClientMessage = { id: number } & RequestBody;

/** What the server sends. */
export type ServerMessage = OkResponse | ErrorResponse | EventMessage;

/** A request was carried out. */
export interface OkResponse<T extends RequestName = RequestName> {
  type: "response";
  /** The request's. */
  id: number;
  result: Results[T];
}

/** A request was refused, and has changed nothing. */
export interface ErrorResponse {
  type: "response";
  /** The request's. */
  id: number;
  error: ErrorBody;
}

/** Something has happened; `seq` counts the events of the session from 1, without gaps. */
export type EventMessage = { type: "event"; seq: number } & EventBody;

/** What has happened. */
export type EventBody = RoomEvent | ChatEvent | MediaEvent;

export type EventName = EventBody["event"];

export type RequestName = RequestBody["type"];
"#;

impl Types {
    /// The whole file.
    pub(in crate::signal) fn file(&self) -> String {
        let mut out = String::from(HEAD);
        let _ = write!(
            out,
            "\nexport const PROTOCOL_VERSION = {VERSION};\n{FRAMES}"
        );
        out += "\n/** What is asked. */\nexport type RequestBody =";
        for request in &self.requests {
            let RequestTypes { name, fields, .. } = request;
            if self.is_empty(fields) {
                let _ = write!(out, "\n  | {{ type: \"{name}\" }}");
            } else {
                let _ = write!(out, "\n  | ({{ type: \"{name}\" }} & {fields})");
            }
        }
        out += ";\n\n/** What each request gives back. */\nexport interface Results {\n";
        for request in &self.requests {
            comment(&mut out, 2, &request.docs);
            let _ = writeln!(out, "  {}: {};", request.name, request.result);
        }
        out += "}\n";
        for declaration in &self.declarations {
            if !self.is_empty(&declaration.name) || declaration.name == "Done" {
                declare(&mut out, declaration);
            }
        }
        out + &close_codes()
    }

    fn is_empty(&self, name: &str) -> bool {
        self.find(name).ty == Type::Nothing
    }
}

fn declare(out: &mut String, declaration: &Declaration) {
    let Declaration {
        name,
        docs,
        ty,
        member_docs,
    } = declaration;
    *out += "\n";
    comment(out, 0, docs);
    match ty {
        Type::Object(fields) => {
            let _ = write!(out, "export interface {name} ");
            object(out, 0, fields);
            *out += "\n";
        }
        Type::Union(members) if !member_docs.is_empty() || one_line(ty).len() > 80 => {
            let _ = write!(out, "export type {name} =");
            for (index, member) in members.iter().enumerate() {
                *out += "\n";
                if let Some(docs) = member_docs.get(index) {
                    comment(out, 2, docs);
                }
                *out += "  | ";
                write_type(out, 4, member);
            }
            *out += ";\n";
        }
        _ => {
            let _ = write!(out, "export type {name} = ");
            write_type(out, 0, ty);
            *out += ";\n";
        }
    }
}

fn write_type(out: &mut String, indent: usize, ty: &Type) {
    match ty {
        Type::Object(fields) => object(out, indent, fields),
        Type::Union(members) => joined(out, indent, " | ", members),
        Type::Intersection(members) => joined(out, indent, " & ", members),
        Type::Array(item) => {
            let is_plain = matches!(**item, Type::Name(_));
            *out += if is_plain { "" } else { "(" };
            write_type(out, indent, item);
            *out += if is_plain { "[]" } else { ")[]" };
        }
        Type::Record(value) => {
            *out += "Record<string, ";
            write_type(out, indent, value);
            *out += ">";
        }
        Type::Nothing => *out += "Record<string, never>",
        Type::Name(name) => *out += name,
        Type::Literal(text) => {
            let _ = write!(out, "\"{text}\"");
        }
    }
}

fn joined(out: &mut String, indent: usize, between: &str, members: &[Type]) {
    for (index, member) in members.iter().enumerate() {
        *out += if index == 0 { "" } else { between };
        let needs_brackets = matches!(member, Type::Union(_)) && between == " & ";
        *out += if needs_brackets { "(" } else { "" };
        write_type(out, indent, member);
        *out += if needs_brackets { ")" } else { "" };
    }
}

fn object(out: &mut String, indent: usize, fields: &[Field]) {
    let short = fields.len() < 3 && fields.iter().all(|field| field.docs.is_empty());
    *out += if short { "{ " } else { "{\n" };
    for (index, field) in fields.iter().enumerate() {
        let last = index + 1 == fields.len();
        if !short {
            comment(out, indent + 2, &field.docs);
            *out += &" ".repeat(indent + 2);
        }
        *out += &field.name;
        *out += if field.is_optional { "?: " } else { ": " };
        write_type(out, indent + 2, &field.ty);
        *out += match (short, last) {
            (true, true) => "",
            (true, false) => "; ",
            (false, _) => ";\n",
        };
    }
    if short {
        *out += " }";
    } else {
        *out += &" ".repeat(indent);
        *out += "}";
    }
}

fn comment(out: &mut String, indent: usize, lines: &[String]) {
    let indent = " ".repeat(indent);
    match lines {
        [] => {}
        [line] => {
            let _ = writeln!(out, "{indent}/** {line} */");
        }
        lines => {
            let _ = writeln!(out, "{indent}/**");
            for line in lines {
                let _ = writeln!(out, "{indent} * {line}");
            }
            let _ = writeln!(out, "{indent} */");
        }
    }
}

pub(super) fn one_line(ty: &Type) -> String {
    let mut out = String::new();
    write_type(&mut out, 0, ty);
    out
}

fn close_codes() -> String {
    let mut out =
        String::from("\n/** Why the server closes a socket. */\nexport const CloseCode = {\n");
    for code in CloseCode::ALL {
        let _ = writeln!(out, "  /** {}. */", sentence_case(code.sentence()));
        let _ = writeln!(out, "  {}: {},", code.name(), code.code());
    }
    out + "} as const;\n"
}

pub(super) fn sentence_case(text: &str) -> String {
    let mut chars = text.chars();
    chars
        .next()
        .map(|first| first.to_uppercase().chain(chars).collect())
        .unwrap_or_default()
}
