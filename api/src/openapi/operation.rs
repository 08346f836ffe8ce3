//! What the types of a handler say of its operation: its arguments tell what may be sent, its result what is answered.

use std::collections::{BTreeMap, BTreeSet};

use axum::Json;
use axum::extract::State;
use forebay_intake::{Kind, Problem};
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value, json};

/// A handler of such arguments and such a result. Every asynchronous function whose types tell what they are is one.
pub(crate) trait Told<I, O> {
    /// Says it of an operation.
    fn tell(operation: &mut Operation<'_>);
}

/// An argument of a handler.
pub(crate) trait Input {
    /// What may or must be sent for it, and how it is refused. Most arguments come from elsewhere.
    fn tell(_: &mut Operation<'_>) {}
}

/// The result of a handler.
pub(crate) trait Output {
    /// What is answered.
    fn tell(operation: &mut Operation<'_>);
}

macro_rules! told {
    ($($argument:ident)*) => {
        impl<F, R, O, $($argument),*> Told<($($argument,)*), O> for F
        where
            F: FnOnce($($argument),*) -> R,
            R: Future<Output = O>,
            O: Output,
            $($argument: Input,)*
        {
            fn tell(operation: &mut Operation<'_>) {
                $($argument::tell(operation);)*
                O::tell(operation);
            }
        }
    };
}

told!();
told!(A);
told!(A B);
told!(A B C);
told!(A B C D);
told!(A B C D E);
told!(A B C D E G);
told!(A B C D E G H);
told!(A B C D E G H I);

impl<T> Input for State<T> {}

/// What may be missing is nothing that is sent.
impl<T: Input> Input for Result<T, Problem> {}

impl<T: JsonSchema> Output for Json<T> {
    fn tell(operation: &mut Operation<'_>) {
        let schema = operation.answered::<T>();
        operation.answer(200, "application/json", schema);
    }
}

impl<O: Output> Output for Result<O, Problem> {
    fn tell(operation: &mut Operation<'_>) {
        O::tell(operation);
    }
}

/// The schemas of the types that were met.
#[derive(Debug)]
pub(crate) struct Schemas {
    sent: SchemaGenerator,
    answered: SchemaGenerator,
}

impl Schemas {
    pub(crate) fn new() -> Self {
        let settings = || {
            SchemaSettings::draft2020_12().with(|settings| {
                settings.meta_schema = None;
                settings.definitions_path = "/components/schemas".into();
            })
        };
        // What is sent stands where it is sent: a type that is also answered may look otherwise there.
        let sent = settings().for_deserialize().with(|settings| settings.inline_subschemas = true);
        Self { sent: sent.into_generator(), answered: settings().for_serialize().into_generator() }
    }

    /// The schema of what is answered.
    pub(crate) fn answered<T: JsonSchema>(&mut self) -> Value {
        self.answered.subschema_for::<T>().to_value()
    }

    /// Those that have a name.
    pub(crate) fn named(mut self) -> Map<String, Value> {
        self.answered.take_definitions(true)
    }
}

/// One way of answering.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    headers: BTreeMap<&'static str, Value>,
    content: BTreeMap<&'static str, Vec<Value>>,
}

impl Answer {
    pub(crate) fn header(&mut self, name: &'static str, description: &str, schema: Value) {
        self.headers.insert(name, json!({ "description": description, "schema": schema }));
    }

    fn join(&mut self, other: Self) {
        self.headers.extend(other.headers);
        for (media, schemas) in other.content {
            let known = self.content.entry(media).or_default();
            known.extend(schemas.into_iter().filter(|schema| !known.contains(schema)).collect::<Vec<_>>());
        }
    }

    fn shown(self, status: u16) -> Value {
        let mut headers = Map::from_iter([(
            "X-Request-Id".to_owned(),
            json!({ "$ref": "#/components/headers/X-Request-Id" }),
        )]);
        headers.extend(self.headers.into_iter().map(|(name, header)| (name.to_owned(), header)));
        let mut shown = json!({ "description": meaning(status), "headers": headers });
        let content: Map<String, Value> = self
            .content
            .into_iter()
            .map(|(media, mut schemas)| {
                let schema = if schemas.len() == 1 { schemas.remove(0) } else { json!({ "anyOf": schemas }) };
                (media.to_owned(), json!({ "schema": schema }))
            })
            .collect();
        if !content.is_empty() {
            shown["content"] = content.into();
        }
        shown
    }
}

fn meaning(status: u16) -> &'static str {
    match status {
        201 => "It was made.",
        202 => "It is durably stored, and will be done.",
        _ => "It is done, or this is what there is.",
    }
}

/// An operation, as it is told so far.
#[derive(Debug)]
pub(crate) struct Operation<'s> {
    schemas: &'s mut Schemas,
    /// The parameters of its path that no argument has told of yet.
    in_path: Vec<String>,
    parameters: Vec<Value>,
    body: Option<Value>,
    answers: BTreeMap<u16, Answer>,
    refusals: BTreeSet<u16>,
}

impl<'s> Operation<'s> {
    /// An operation at this path.
    pub(crate) fn at(path: &str, schemas: &'s mut Schemas) -> Self {
        let names = path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
        Self {
            schemas,
            in_path: names.map(str::to_owned).collect(),
            parameters: Vec::new(),
            body: None,
            answers: BTreeMap::new(),
            refusals: BTreeSet::new(),
        }
    }

    /// It may be refused so.
    pub(crate) fn refuses(&mut self, kinds: &[Kind]) {
        self.refusals.extend(kinds.iter().map(|kind| kind.status().as_u16()));
    }

    /// The ids in its path: one as itself, several as a tuple.
    pub(crate) fn path<T: JsonSchema>(&mut self) {
        let mut schema = self.schemas.sent.subschema_for::<T>().to_value();
        let schemas = match schema.get_mut("prefixItems").map(Value::take) {
            Some(Value::Array(several)) => several,
            _ => vec![schema],
        };
        for (name, mut schema) in self.in_path.drain(..).zip(schemas) {
            if schema.get("pattern").is_none() && schema.get("format").is_none() {
                schema["minLength"] = 1.into();
            }
            self.parameters.push(parameter("path", &name, true, schema));
        }
    }

    /// The parameters after the `?`: the fields of a structure.
    pub(crate) fn query<T: JsonSchema>(&mut self) {
        let mut schema = self.schemas.sent.subschema_for::<T>().to_value();
        let required = schema["required"].take();
        let is_required =
            |name: &str| required.as_array().is_some_and(|all| all.iter().any(|one| one == name));
        let Value::Object(fields) = schema["properties"].take() else { return };
        for (name, schema) in fields {
            self.parameters.push(parameter("query", &name, is_required(&name), given(schema)));
        }
    }

    /// A header that is read.
    pub(crate) fn header(&mut self, name: &str, required: bool, description: &str, schema: Value) {
        let mut header = parameter("header", name, required, schema);
        header["description"] = description.into();
        self.parameters.push(header);
    }

    /// The body, of so many bytes at most.
    pub(crate) fn body<T: JsonSchema>(&mut self, bytes: usize) {
        let schema = self.schemas.sent.subschema_for::<T>().to_value();
        self.body = Some(json!({
            "description": format!("{bytes} bytes at most; may be gzip (`Content-Encoding`)."),
            "required": true,
            "content": { "application/json": { "schema": schema } },
        }));
    }

    /// The schema of what is answered.
    pub(crate) fn answered<T: JsonSchema>(&mut self) -> Value {
        self.schemas.answered::<T>()
    }

    /// It may be answered so.
    pub(crate) fn answer(&mut self, status: u16, media: &'static str, schema: Value) -> &mut Answer {
        let answer = self.answers.entry(status).or_default();
        answer.join(Answer { content: BTreeMap::from([(media, vec![schema])]), ..Answer::default() });
        answer
    }

    /// It may be answered as `O` says, with something about it changed.
    pub(crate) fn like<O: Output>(&mut self, change: impl Fn(u16, &mut Answer) -> u16) {
        let before = std::mem::take(&mut self.answers);
        O::tell(self);
        let answers = std::mem::replace(&mut self.answers, before);
        for (status, mut answer) in answers {
            let status = change(status, &mut answer);
            self.answers.entry(status).or_default().join(answer);
        }
    }

    /// The statuses that are told of.
    pub(crate) fn statuses(&self) -> BTreeSet<u16> {
        self.answers.keys().chain(&self.refusals).copied().collect()
    }

    /// The operation object.
    pub(crate) fn shown(self) -> Map<String, Value> {
        let mut shown = Map::new();
        if !self.parameters.is_empty() {
            shown.insert("parameters".to_owned(), self.parameters.into());
        }
        if let Some(body) = self.body {
            shown.insert("requestBody".to_owned(), body);
        }
        let answers = self.answers.into_iter().map(|(status, answer)| (status, answer.shown(status)));
        let refusals = self.refusals.into_iter().map(|status| (status, refusal(status)));
        let responses: BTreeMap<u16, Value> = answers.chain(refusals).collect();
        let responses: Map<String, Value> =
            responses.into_iter().map(|(status, response)| (status.to_string(), response)).collect();
        shown.insert("responses".to_owned(), responses.into());
        shown
    }
}

/// The refusals of a status, which stand among the components.
pub(crate) fn refusal(status: u16) -> Value {
    json!({ "$ref": format!("#/components/responses/Problem{status}") })
}

fn parameter(place: &str, name: &str, required: bool, mut schema: Value) -> Value {
    let mut parameter = json!({ "name": name, "in": place, "required": required });
    if let Some(description) = schema.as_object_mut().and_then(|schema| schema.remove("description")) {
        parameter["description"] = description;
    }
    parameter["schema"] = schema;
    parameter
}

/// The schema of a parameter that is there: in a query nothing is null.
fn given(mut schema: Value) -> Value {
    let null = json!({ "type": "null" });
    let Some(object) = schema.as_object_mut() else { return schema };
    object.remove("default");
    if let Some(Value::Array(types)) = object.get_mut("type") {
        types.retain(|kind| kind != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            object.insert("type".to_owned(), only);
        }
    }
    if let Some(Value::Array(words)) = object.get_mut("enum") {
        words.retain(|word| !word.is_null());
    }
    if let Some(Value::Array(mut ways)) = object.remove("anyOf") {
        ways.retain(|way| *way != null);
        match (ways.len(), ways.pop()) {
            (1, Some(Value::Object(only))) => {
                for (name, value) in only {
                    object.entry(name).or_insert(value);
                }
            }
            (_, last) => {
                ways.extend(last);
                object.insert("anyOf".to_owned(), ways.into());
            }
        }
    }
    schema
}
