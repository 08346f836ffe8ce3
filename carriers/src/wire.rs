//! Reads JSON that is not always of the same types: numbers as text, flags as letters, anything missing.

use serde_json::Value;

/// A JSON object of which nothing is expected.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Object<'a>(&'a Value);

impl<'a> Object<'a> {
    /// The object, if it is one.
    pub(crate) fn of(value: &'a Value) -> Option<Self> {
        value.is_object().then_some(Self(value))
    }

    /// The field is there and not null.
    pub(crate) fn has(self, name: &str) -> bool {
        self.0.get(name).is_some_and(|v| !v.is_null())
    }

    /// A text that is not blank; a number counts as its digits.
    pub(crate) fn text(self, name: &str) -> Option<String> {
        match self.0.get(name)? {
            Value::String(text) => Some(text.trim().to_owned()).filter(|t| !t.is_empty()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        }
    }

    /// A whole number, as a number or as text.
    pub(crate) fn integer(self, name: &str) -> Option<i64> {
        match self.0.get(name)? {
            Value::Number(number) => {
                let whole = |f: &f64| f.fract() == 0.0 && f.abs() < 9.0e15;
                number.as_i64().or_else(|| number.as_f64().filter(whole).map(|f| f as i64))
            }
            Value::String(text) => text.trim().parse().ok(),
            _ => None,
        }
    }

    /// A flag, as such or as `Y`, `N`, `true`, `false`.
    pub(crate) fn flag(self, name: &str) -> Option<bool> {
        match self.0.get(name)? {
            Value::Bool(flag) => Some(*flag),
            Value::String(text) => match text.trim().to_ascii_lowercase().as_str() {
                "y" | "true" => Some(true),
                "n" | "false" => Some(false),
                _ => None,
            },
            _ => None,
        }
    }

    /// The elements of a list; none when it is no list.
    pub(crate) fn list(self, name: &str) -> &'a [Value] {
        self.0.get(name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
    }

    /// A field's value.
    pub(crate) fn value(self, name: &str) -> Option<&'a Value> {
        self.0.get(name).filter(|v| !v.is_null())
    }

    /// A field that is itself an object.
    pub(crate) fn object(self, name: &str) -> Option<Object<'a>> {
        self.0.get(name).and_then(Object::of)
    }

    /// The objects in a list; what else stands in it is passed over. A single object counts as a list of one.
    pub(crate) fn objects(self, name: &str) -> Vec<Object<'a>> {
        match self.0.get(name) {
            Some(Value::Array(list)) => list.iter().filter_map(Object::of).collect(),
            Some(value) => Object::of(value).into_iter().collect(),
            None => Vec::new(),
        }
    }

    /// A text at the end of a path of objects.
    pub(crate) fn text_at(self, path: &[&str]) -> Option<String> {
        let (last, way) = path.split_last()?;
        way.iter().try_fold(self, |object, name| object.object(name))?.text(last)
    }
}
