//! Reading a TypeScript declaration as ts-rs writes it.

use super::variants::variant_docs;

/// `type name = ty;` with its comment.
#[derive(Debug)]
pub(super) struct Declaration {
    pub(super) name: String,
    pub(super) docs: Vec<String>,
    pub(super) ty: Type,
    /// The comments of a union's members; empty where there are none.
    pub(super) member_docs: Vec<Vec<String>>,
}

/// The part of TypeScript's types that the protocol uses.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Type {
    /// A type of the language or of the protocol.
    Name(String),
    /// A text.
    Literal(String),
    Array(Box<Type>),
    /// An object with any names.
    Record(Box<Type>),
    /// An object without fields.
    Nothing,
    Object(Vec<Field>),
    Union(Vec<Type>),
    Intersection(Vec<Type>),
}

/// One field of an object.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Field {
    pub(super) docs: Vec<String>,
    pub(super) name: String,
    pub(super) is_optional: bool,
    pub(super) ty: Type,
}

impl Declaration {
    pub(super) fn read(comment: Option<&str>, text: &str) -> Self {
        let mut reader = Reader { rest: text };
        reader.expect("type");
        let name = reader.word();
        reader.expect("=");
        let ty = reader.union();
        reader.expect(";");
        assert!(reader.rest.trim().is_empty(), "more after {name}: {text}");
        let member_docs = variant_docs(&name);
        if let Type::Union(members) = &ty {
            let is_known = member_docs.is_empty() || member_docs.len() == members.len();
            assert!(is_known, "the variants of {name} are not its members");
        }
        Self {
            name,
            docs: docs(comment.unwrap_or_default()),
            ty,
            member_docs,
        }
    }
}

impl Type {
    /// Calls `visit` with the names of all types in it, in order.
    pub(super) fn names<'a>(&'a self, visit: &mut impl FnMut(&'a str)) {
        match self {
            Self::Name(name) => visit(name),
            Self::Literal(_) | Self::Nothing => {}
            Self::Array(item) | Self::Record(item) => item.names(visit),
            Self::Object(fields) => fields.iter().for_each(|field| field.ty.names(visit)),
            Self::Union(members) | Self::Intersection(members) => {
                members.iter().for_each(|member| member.names(visit));
            }
        }
    }
}

/// The lines of a comment, without what is about Rust only.
pub(super) fn docs(comment: &str) -> Vec<String> {
    let inner = comment.trim().trim_start_matches("/**");
    let inner = inner.trim_end_matches("*/");
    let inner = inner.replace("[`", "`").replace("`]", "`");
    let lines = inner
        .lines()
        .map(|line| line.trim().trim_start_matches('*').trim())
        .map(|line| line.trim_end_matches(" Cloning shares the texts."))
        .filter(|line| *line != "Cloning shares the text.")
        .filter(|line| !line.is_empty());
    lines.map(str::to_owned).collect()
}

struct Reader<'a> {
    rest: &'a str,
}

impl Reader<'_> {
    fn union(&mut self) -> Type {
        many(self, "|", Self::intersection, Type::Union)
    }

    fn intersection(&mut self) -> Type {
        many(self, "&", Self::single, Type::Intersection)
    }

    fn single(&mut self) -> Type {
        if self.take("(") {
            let ty = self.union();
            self.expect(")");
            return ty;
        }
        if self.take("{") {
            return self.fields();
        }
        if self.rest.trim_start().starts_with('"') {
            return Type::Literal(self.text());
        }
        let name = self.word();
        if !self.take("<") {
            return Type::Name(name);
        }
        let first = self.union();
        let second = self.take(",").then(|| self.union());
        self.expect(">");
        match (name.as_str(), second) {
            ("Array", None) => Type::Array(Box::new(first)),
            ("Record", Some(Type::Name(never))) if never == "never" => Type::Nothing,
            ("Record", Some(value)) => Type::Record(Box::new(value)),
            (other, _) => panic!("{other}<> is not known here"),
        }
    }

    fn fields(&mut self) -> Type {
        let mut fields = Vec::new();
        while !self.take("}") {
            let docs = self.comment();
            let name = if self.rest.trim_start().starts_with('"') {
                self.text()
            } else {
                self.word()
            };
            let is_optional = self.take("?");
            self.expect(":");
            fields.push(Field {
                docs,
                name,
                is_optional,
                ty: self.union(),
            });
            self.take(",");
        }
        Type::Object(fields)
    }

    fn comment(&mut self) -> Vec<String> {
        self.rest = self.rest.trim_start();
        if !self.rest.starts_with("/**") {
            return Vec::new();
        }
        let end = self.rest.find("*/").expect("the comment ends") + 2;
        let (comment, rest) = self.rest.split_at(end);
        self.rest = rest;
        docs(comment)
    }

    fn take(&mut self, token: &str) -> bool {
        let rest = self.rest.trim_start().strip_prefix(token);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn expect(&mut self, token: &str) {
        assert!(self.take(token), "no {token:?} before {:?}", self.rest);
    }

    fn word(&mut self) -> String {
        let rest = self.rest.trim_start();
        let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_');
        let (word, rest) = rest.split_at(end.unwrap_or(rest.len()));
        assert!(!word.is_empty(), "no name before {rest:?}");
        self.rest = rest;
        word.to_owned()
    }

    fn text(&mut self) -> String {
        self.expect("\"");
        let (text, rest) = self.rest.split_once('"').expect("the text ends");
        self.rest = rest;
        text.to_owned()
    }
}

fn many<'a>(
    reader: &mut Reader<'a>,
    between: &str,
    one: fn(&mut Reader<'a>) -> Type,
    join: fn(Vec<Type>) -> Type,
) -> Type {
    let mut all = vec![one(reader)];
    while reader.take(between) {
        all.push(one(reader));
    }
    if all.len() == 1 {
        all.remove(0)
    } else {
        join(all)
    }
}
