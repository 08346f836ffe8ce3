//! As much of GraphQL as a tracking client writes: one operation, arguments, aliases and selections, so that an
//! answer has what was asked for and nothing else. Fragments and directives are refused.

use serde_json::{Map, Value};

const DEPTH_MAX: usize = 16;

#[derive(Debug, PartialEq)]
pub(crate) struct Query {
    pub(crate) is_mutation: bool,
    pub(crate) fields: Vec<Field>,
}

#[derive(Debug, PartialEq)]
pub(crate) struct Field {
    /// Its alias, or its name.
    pub(crate) key: String,
    pub(crate) name: String,
    pub(crate) arguments: Map<String, Value>,
    pub(crate) fields: Vec<Self>,
}

impl Field {
    /// An argument's text; empty when it is not there or is no text.
    pub(crate) fn argument(&self, name: &str) -> &str {
        self.arguments.get(name).and_then(Value::as_str).unwrap_or_default()
    }
}

/// Reads a query; its variables are put where they are used.
pub(crate) fn read(text: &str, variables: &Value) -> Result<Query, String> {
    let mut reader = Reader { tokens: tokens(text)?, next: 0, variables };
    let is_mutation = match reader.peek() {
        "{" => false,
        "query" | "mutation" => {
            let is_mutation = reader.take() == "mutation";
            while !matches!(reader.peek(), "{" | "(" | "") {
                reader.take();
            }
            if reader.peek() == "(" {
                reader.skip_declarations()?;
            }
            is_mutation
        }
        other => return Err(format!("Syntax Error: Unexpected \"{other}\".")),
    };
    let fields = reader.selection(0)?;
    match reader.peek() {
        "" => Ok(Query { is_mutation, fields }),
        other => Err(format!("Syntax Error: Unexpected \"{other}\".")),
    }
}

/// What a field's selection leaves of a value.
pub(crate) fn project(value: &Value, field: &Field) -> Result<Value, String> {
    match value {
        Value::Null => Ok(Value::Null),
        Value::Array(list) => list.iter().map(|one| project(one, field)).collect(),
        Value::Object(_) if field.fields.is_empty() => {
            Err(format!("Field \"{}\" must have a selection of subfields.", field.name))
        }
        Value::Object(all) => {
            let mut chosen = Map::new();
            for part in &field.fields {
                let Some(value) = all.get(&part.name) else {
                    return Err(format!("Cannot query field \"{}\" on \"{}\".", part.name, field.name));
                };
                chosen.insert(part.key.clone(), project(value, part)?);
            }
            Ok(Value::Object(chosen))
        }
        plain => Ok(plain.clone()),
    }
}

/// Names and numbers, texts with their quotation marks, `$name`, and single signs.
fn tokens(text: &str) -> Result<Vec<String>, String> {
    let mut tokens = Vec::new();
    let mut rest = text.chars().peekable();
    while let Some(sign) = rest.next() {
        let mut token = String::from(sign);
        match sign {
            '#' => {
                while rest.next_if(|c| *c != '\n').is_some() {}
                continue;
            }
            ',' | '\u{feff}' => continue,
            c if c.is_whitespace() => continue,
            '"' => loop {
                match rest.next() {
                    Some('\\') => {
                        token.push('\\');
                        token.extend(rest.next());
                    }
                    Some('"') => {
                        token.push('"');
                        break;
                    }
                    Some(c) => token.push(c),
                    None => return Err("Syntax Error: Unterminated string.".to_owned()),
                }
            },
            c if c.is_alphanumeric() || "_$-".contains(c) => {
                while let Some(c) = rest.next_if(|c| c.is_alphanumeric() || "_.+".contains(*c)) {
                    token.push(c);
                }
            }
            _ => {}
        }
        tokens.push(token);
    }
    Ok(tokens)
}

struct Reader<'v> {
    tokens: Vec<String>,
    next: usize,
    variables: &'v Value,
}

impl Reader<'_> {
    fn peek(&self) -> &str {
        self.tokens.get(self.next).map_or("", String::as_str)
    }

    fn take(&mut self) -> String {
        let token = self.peek().to_owned();
        self.next += 1;
        token
    }

    fn expect(&mut self, sign: &str) -> Result<(), String> {
        let token = self.take();
        if token == sign {
            Ok(())
        } else {
            Err(format!("Syntax Error: Expected \"{sign}\", found \"{token}\"."))
        }
    }

    fn name(&mut self) -> Result<String, String> {
        let token = self.take();
        let is_name = token.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        if is_name { Ok(token) } else { Err(format!("Syntax Error: Expected Name, found \"{token}\".")) }
    }

    /// The declarations of the variables say nothing that their values do not.
    fn skip_declarations(&mut self) -> Result<(), String> {
        while self.peek() != ")" {
            if self.take().is_empty() {
                return Err("Syntax Error: Expected \")\".".to_owned());
            }
        }
        self.expect(")")
    }

    fn selection(&mut self, depth: usize) -> Result<Vec<Field>, String> {
        if depth == DEPTH_MAX {
            return Err("The query is too deep.".to_owned());
        }
        self.expect("{")?;
        let mut fields = Vec::new();
        while self.peek() != "}" {
            let mut key = self.name()?;
            let mut name = key.clone();
            if self.peek() == ":" {
                self.take();
                name = self.name()?;
            }
            let arguments = if self.peek() == "(" { self.pairs("(", ")", depth)? } else { Map::new() };
            let inner = if self.peek() == "{" { self.selection(depth + 1)? } else { Vec::new() };
            fields.push(Field { key: std::mem::take(&mut key), name, arguments, fields: inner });
        }
        self.expect("}")?;
        Ok(fields)
    }

    fn pairs(&mut self, open: &str, close: &str, depth: usize) -> Result<Map<String, Value>, String> {
        self.expect(open)?;
        let mut pairs = Map::new();
        while self.peek() != close {
            let name = self.name()?;
            self.expect(":")?;
            pairs.insert(name, self.value(depth + 1)?);
        }
        self.expect(close)?;
        Ok(pairs)
    }

    fn value(&mut self, depth: usize) -> Result<Value, String> {
        if depth == DEPTH_MAX {
            return Err("The query is too deep.".to_owned());
        }
        if self.peek() == "{" {
            return self.pairs("{", "}", depth).map(Value::Object);
        }
        let token = self.take();
        if let Some(variable) = token.strip_prefix('$') {
            return Ok(self.variables.get(variable).cloned().unwrap_or_default());
        }
        // Enumerated values are words without quotation marks.
        let is_word = token.starts_with(|c: char| c.is_ascii_alphabetic());
        match serde_json::from_str(&token) {
            Ok(value) => Ok(value),
            Err(_) if is_word => Ok(Value::from(token)),
            Err(_) => Err(format!("Syntax Error: Unexpected \"{token}\".")),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_answer_has_what_was_selected_under_the_names_that_were_wished() {
        let text = r#"query Track($c: ID!, $n: String! = "x") {
            # A comment.
            a: track(carrierId: $c, trackingNumber: $n) { lastEvent { at: time, status { code } } }
            track(carrierId: "kr.lotte", trackingNumber: "1\"2", first: 10) { events { edges { node { time } } } }
        }"#;
        let query = read(text, &json!({ "c": "kr.cj", "n": "7" })).unwrap();
        assert!(!query.is_mutation);
        let [aliased, plain] = query.fields.as_slice() else { panic!() };
        assert_eq!((aliased.key.as_str(), aliased.argument("carrierId")), ("a", "kr.cj"));
        assert_eq!((plain.argument("trackingNumber"), &plain.arguments["first"]), ("1\"2", &json!(10)));
        let node = |time: &str| json!({ "node": { "time": time, "more": 1 } });
        let value = json!({
            "lastEvent": { "time": "t", "status": { "code": "C", "name": "N" } },
            "events": { "edges": [node("1"), node("2")] },
        });
        assert_eq!(
            project(&value, aliased),
            Ok(json!({ "lastEvent": { "at": "t", "status": { "code": "C" } } }))
        );
        let edges =
            json!({ "events": { "edges": [{ "node": { "time": "1" } }, { "node": { "time": "2" } }] } });
        assert_eq!(project(&value, plain), Ok(edges));
    }

    #[test]
    fn a_mutation_takes_its_input_whole_or_in_parts() {
        let variables = json!({ "input": { "a": 1 }, "u": "url" });
        let whole = read("mutation M($input: I!) { register(input: $input) }", &variables).unwrap();
        assert!(whole.is_mutation);
        assert_eq!(whole.fields[0].arguments["input"], json!({ "a": 1 }));
        let parts = read("mutation { register(input: { a: $u, b: true, c: WORD }) }", &variables).unwrap();
        assert_eq!(parts.fields[0].arguments["input"], json!({ "a": "url", "b": true, "c": "WORD" }));
    }

    #[test]
    fn what_is_no_query_is_refused() {
        let deep = format!("{}{}", "{a".repeat(20), "}".repeat(20));
        for text in
            ["", "{", "{ a", "{ a(b: } }", "{ a } x", "\"", "query Q(", "{ ...F }", "{ a(b:) }", &deep]
        {
            assert!(read(text, &Value::Null).is_err(), "{text}");
        }
        let query = read("{ a { b } }", &Value::Null).unwrap();
        assert!(project(&json!({ "c": 1 }), &query.fields[0]).is_err());
        let bare = read("{ a }", &Value::Null).unwrap();
        assert!(project(&json!({ "c": 1 }), &bare.fields[0]).is_err());
    }
}
