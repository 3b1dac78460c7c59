//! One row of a table: an object or a change, and what the API server must answer.

use serde_json::{Map, Value, json};

/// An object to create, and the answer it must get.
pub struct Row {
    /// What the row shows, as a sentence.
    pub says: &'static str,
    /// The whole object.
    pub object: Value,
    /// Absent = taken; else every part must stand in the refusal.
    pub refused: Option<Vec<&'static str>>,
}

impl Row {
    /// Compares the API server's answer with what the row says.
    pub fn judge(&self, answer: &Result<Value, String>) -> Result<(), String> {
        judge(self.says, answer, self.refused.as_deref())
    }
}

/// Compares an answer with what must be refused (each part stands in the message) or taken (`None`).
pub fn judge(
    says: &str,
    answer: &Result<Value, String>,
    refused: Option<&[&str]>,
) -> Result<(), String> {
    match (answer, refused) {
        (Ok(_), None) => Ok(()),
        (Ok(_), Some(parts)) => Err(format!(
            "{says}: must be refused with {parts:?} and was taken"
        )),
        (Err(message), None) => Err(format!("{says}: must be taken and was refused: {message}")),
        (Err(message), Some(_)) if message.contains("evaluating rule") => {
            Err(format!("{says}: a rule could not be evaluated: {message}"))
        }
        (Err(message), Some(parts)) => match parts.iter().find(|part| !message.contains(**part)) {
            None => Ok(()),
            Some(part) => Err(format!(
                "{says}: the refusal must say {part:?} and says: {message}"
            )),
        },
    }
}

/// Makes rows over a base object.
pub struct Table {
    base: Value,
    rows: Vec<Row>,
}

impl Table {
    /// A table whose rows change the spec of `base`.
    pub fn over(kind: &str, spec: &Value) -> Self {
        let base = json!({
            "apiVersion": "firebell.dev/v1alpha1",
            "kind": kind,
            "metadata": {"name": "row"},
            "spec": spec,
        });
        Self {
            base,
            rows: Vec::new(),
        }
    }

    /// An object that must be taken.
    pub fn good(&mut self, says: &'static str, spec: Value) {
        self.object(says, &of_spec(spec), None);
    }

    /// An object that must be refused with each of these parts.
    pub fn bad(&mut self, says: &'static str, spec: Value, parts: &[&'static str]) {
        self.object(says, &of_spec(spec), Some(parts.to_vec()));
    }

    /// An object that differs from the base in more than its spec.
    pub fn object(
        &mut self,
        says: &'static str,
        change: &Value,
        refused: Option<Vec<&'static str>>,
    ) {
        let mut object = self.base.clone();
        json_patch::merge(&mut object, change);
        self.rows.push(Row {
            says,
            object,
            refused,
        });
    }

    /// The finished rows.
    pub fn rows(self) -> Vec<Row> {
        self.rows
    }
}

fn of_spec(spec: Value) -> Value {
    Value::Object(Map::from_iter([("spec".to_owned(), spec)]))
}
