//! Checking JSON against the TypeScript types, as strictly as TypeScript checks a literal.

use std::collections::BTreeMap;

use serde_json::Value;

use super::Types;
use super::declaration::{Field, Type};

impl Types {
    /// Checks a frame of the server. `request` is the name of the request that a response
    /// answers.
    ///
    /// # Errors
    /// What differs from the types.
    pub(in crate::signal) fn check_server(
        &self,
        frame: &Value,
        request: impl FnOnce(u64) -> Option<String>,
    ) -> Result<(), String> {
        let Some(fields) = frame.as_object() else {
            return Err("no object".into());
        };
        let mut rest = fields.clone();
        match rest.remove("type").as_ref().and_then(Value::as_str) {
            Some("event") => {
                let seq = rest.remove("seq");
                if !seq.as_ref().is_some_and(Value::is_u64) {
                    return Err(format!("seq is {seq:?}"));
                }
                self.check("EventBody", &Value::Object(rest))
            }
            Some("response") => {
                let id = rest.remove("id");
                let id = id.as_ref().and_then(Value::as_u64).ok_or("no id")?;
                match (rest.remove("result"), rest.remove("error")) {
                    (Some(result), None) if rest.is_empty() => {
                        let name = request(id).ok_or(format!("nobody has asked {id}"))?;
                        self.check(self.result_of(&name)?, &result)
                    }
                    (None, Some(error)) if rest.is_empty() => self.check("ErrorBody", &error),
                    _ => Err("not one of result and error".into()),
                }
            }
            other => Err(format!("type is {other:?}")),
        }
    }

    /// Checks a value against a type.
    ///
    /// # Errors
    /// What differs from the type.
    pub(in crate::signal) fn check(&self, name: &str, value: &Value) -> Result<(), String> {
        let checker = Checker {
            types: self.by_name(),
        };
        let ty = match name {
            "EventBody" => Type::Union(
                ["RoomEvent", "ChatEvent", "MediaEvent"]
                    .map(|name| Type::Name(name.into()))
                    .to_vec(),
            ),
            name => Type::Name(name.into()),
        };
        checker.value(&ty, value)
    }

    fn result_of(&self, request: &str) -> Result<&str, String> {
        let found = self.requests.iter().find(|known| known.name == request);
        found
            .map(|request| request.result.as_str())
            .ok_or_else(|| format!("there is no request {request}"))
    }
}

struct Checker<'a> {
    types: BTreeMap<&'a str, &'a Type>,
}

impl Checker<'_> {
    fn value(&self, ty: &Type, value: &Value) -> Result<(), String> {
        let fits = match ty {
            Type::Name(name) => match name.as_str() {
                "string" => value.is_string(),
                "number" => value.is_number(),
                "boolean" => value.is_boolean(),
                "null" => value.is_null(),
                name => {
                    let ty = self.types.get(name).ok_or(format!("no type {name}"))?;
                    return self.value(ty, value).map_err(|e| format!("{name}: {e}"));
                }
            },
            Type::Literal(text) => value == text,
            Type::Nothing => value.as_object().is_some_and(serde_json::Map::is_empty),
            Type::Array(item) => {
                let items = value.as_array().ok_or(format!("no array: {value}"))?;
                return items.iter().try_for_each(|one| self.value(item, one));
            }
            Type::Record(item) => {
                let items = value.as_object().ok_or(format!("no object: {value}"))?;
                return items.values().try_for_each(|one| self.value(item, one));
            }
            Type::Object(_) | Type::Intersection(_) => return self.object(ty, value),
            Type::Union(members) => {
                let mut errors: Vec<String> = Vec::new();
                for member in members {
                    match self.value(member, value) {
                        Ok(()) => return Ok(()),
                        Err(error) => errors.push(error),
                    }
                }
                // What differs in the tag alone tells nothing.
                errors.sort_by_key(|error| error.contains("is not the text"));
                return Err(errors.swap_remove(0));
            }
        };
        if fits {
            Ok(())
        } else if let Type::Literal(text) = ty {
            Err(format!("{value} is not the text {text:?}"))
        } else {
            Err(format!("{value} is no {ty:?}"))
        }
    }

    fn object(&self, ty: &Type, value: &Value) -> Result<(), String> {
        let given = value.as_object().ok_or(format!("no object: {value}"))?;
        let mut last = String::from("no alternative");
        for fields in self.alternatives(ty) {
            let mut checked = fields
                .iter()
                .try_for_each(|field| match given.get(&field.name) {
                    None if field.is_optional => Ok(()),
                    None => Err(format!("{} is missing in {value}", field.name)),
                    Some(value) => self
                        .value(&field.ty, value)
                        .map_err(|error| format!("{}: {error}", field.name)),
                });
            let unknown = |name: &&String| !fields.iter().any(|field| field.name == **name);
            if checked.is_ok()
                && let Some(name) = given.keys().find(unknown)
            {
                checked = Err(format!("{name} is unknown in {value}"));
            }
            match checked {
                Ok(()) => return Ok(()),
                Err(error) if error.contains("is not the text") => {}
                Err(error) => last = error,
            }
        }
        // Tells the union that only the tag differs.
        if last == "no alternative" {
            last = format!("{value} is not the text of any tag");
        }
        Err(last)
    }

    /// All sets of fields that an object type allows.
    fn alternatives(&self, ty: &Type) -> Vec<Vec<Field>> {
        match ty {
            Type::Object(fields) => vec![fields.clone()],
            Type::Nothing => vec![Vec::new()],
            Type::Name(name) => {
                let ty = self.types.get(name.as_str());
                ty.map_or(Vec::new(), |ty| self.alternatives(ty))
            }
            Type::Union(members) => members.iter().flat_map(|m| self.alternatives(m)).collect(),
            Type::Intersection(members) => members.iter().fold(vec![Vec::new()], |sets, member| {
                let more = self.alternatives(member);
                let both = |set: &Vec<Field>| {
                    let set = set.clone();
                    more.iter()
                        .map(move |fields| [set.as_slice(), fields].concat())
                        .collect::<Vec<_>>()
                };
                sets.iter().flat_map(both).collect()
            }),
            _ => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_frame_is_checked_field_by_field() {
        let types = Types::collect();
        let asked = |_| Some("ping".to_owned());
        let good = [
            json!({"type": "response", "id": 1, "result": {"serverTime": 5}}),
            json!({"type": "event", "seq": 1, "event": "allMuted", "room": 5, "muted": true}),
            json!({"type": "event", "seq": 1, "event": "message", "room": 5, "message": {
                "ID": "m1", "sequence": 7, "random": 3, "from": "anna", "to": 5, "time": 17,
                "priority": "High", "nick": "Anna", "avatar": "", "nameCard": "",
                "cloudCustomData": "", "isRevoked": false,
                "type": "TIMTextElem", "payload": {"text": "hello"},
            }}),
        ];
        for frame in &good {
            types.check_server(frame, asked).unwrap();
        }
        let bad = [
            json!({"type": "response", "id": 1, "result": {"serverTime": "5"}}),
            json!({"type": "response", "id": 1, "result": {"serverTime": 5, "more": 1}}),
            json!({"type": "response", "id": 1, "result": {}}),
            json!({"type": "response", "id": 1}),
            json!({"type": "event", "event": "allMuted", "room": 5, "muted": true}),
            json!({"type": "event", "seq": 1, "event": "other", "room": 5}),
            json!({"type": "event", "seq": 1, "event": "allMuted", "room": null, "muted": true}),
        ];
        for frame in &bad {
            assert!(types.check_server(frame, asked).is_err(), "{frame}");
        }
        let mut message = good[2].clone();
        message["message"]["payload"] = json!({"uuid": 5});
        let error = types.check_server(&message, asked).unwrap_err();
        assert!(error.contains("message"), "{error}");
    }
}
