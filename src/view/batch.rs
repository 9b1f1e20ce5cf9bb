//! What came of several things, as JSON.
//!
//! Why it exists: `up`, `start --spec` and every verb over several names answer alike, so whoever reads one answer reads
//! all. Invariant: each thing that was asked for has its place in `results`, in the order it was asked in, with its data
//! or its error, never both; the counts are those of the list.

use super::json::{Failure, document};
use crate::error::Error;
#[cfg(test)]
use schemars::JsonSchema;
use serde::Serialize;

/// What came of several things.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct Batch<'a, T> {
    /// What came of the whole.
    pub outcome: BatchOutcome,
    /// How many there are.
    pub total: usize,
    /// How many of them went well.
    pub success_count: usize,
    /// How many did not.
    pub error_count: usize,
    /// Each of them, in the order in which they were asked for.
    pub results: Vec<BatchItem<'a, T>>,
}

/// What came of a whole batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum BatchOutcome {
    /// All went well.
    Success,
    /// At least one did not.
    Failure,
    /// It was interrupted before all were done.
    Interrupted,
}

/// What came of one of several things.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct BatchItem<'a, T> {
    /// Its place in what was asked for, from 0 on.
    pub index: usize,
    /// Whether it went well.
    pub ok: bool,
    /// The process that it is about.
    pub name: &'a str,
    /// What came of it, if it went well.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<T>,
    /// What went wrong, if it did not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<Failure<'a>>,
}

impl<'a, T: Serialize> Batch<'a, T> {
    /// The batch of `results`: the name of each, and its data or its error.
    pub fn new(results: impl IntoIterator<Item = (&'a str, Result<T, &'a Error>)>, interrupted: bool) -> Batch<'a, T> {
        let item = |(index, (name, result)): (usize, (&'a str, Result<T, &'a Error>))| {
            let (data, error) = match result {
                Ok(data) => (Some(data), None),
                Err(error) => (None, Some(Failure::from(error))),
            };
            BatchItem { index, ok: error.is_none(), name, data, error }
        };
        let results: Vec<BatchItem<'a, T>> = results.into_iter().enumerate().map(item).collect();
        let error_count = results.iter().filter(|item| !item.ok).count();
        let outcome = match (interrupted, error_count) {
            (true, _) => BatchOutcome::Interrupted,
            (false, 0) => BatchOutcome::Success,
            (false, _) => BatchOutcome::Failure,
        };
        Batch { outcome, total: results.len(), success_count: results.len() - error_count, error_count, results }
    }

    /// The document.
    pub fn to_json(&self) -> String {
        document(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;
    use serde_json::{Value, json};

    #[test]
    fn a_batch_counts_what_is_in_it() {
        let error = Error::new(ErrorKind::StartFailed, "cannot start \"b\"").because("chdir");
        let batch = Batch::new([("a", Ok(7)), ("b", Err(&error))], false);
        let value: Value = serde_json::from_str(&batch.to_json()).unwrap();
        let expected = json!({"outcome": "failure", "total": 2, "success_count": 1, "error_count": 1});
        for (field, expected) in expected.as_object().unwrap() {
            assert_eq!(&value[field], expected, "{field}");
        }
        assert_eq!(value["results"][0], json!({"index": 0, "ok": true, "name": "a", "data": 7}));
        assert_eq!(value["results"][1]["error"]["type"], "start_failed");
        assert_eq!(value["results"][1].get("data"), None);
        let outcome = |interrupted| Batch::<u8>::new([("a", Ok(1))], interrupted).outcome;
        assert_eq!((outcome(false), outcome(true)), (BatchOutcome::Success, BatchOutcome::Interrupted));
    }

    #[test]
    fn a_batch_has_a_schema() {
        let schema = schemars::schema_for!(Batch<'_, u32>).to_value();
        assert_eq!(schema["properties"]["results"]["type"], "array", "{schema}");
        assert!(schema["description"].is_string());
    }
}
